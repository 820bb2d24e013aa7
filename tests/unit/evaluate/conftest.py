"""Made-up evaluations for the tests of this room."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from evaluate_trials import Trial, make_label_trial, make_trial

# The oracles and simulated exams are the benches'.
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))


@pytest.fixture
def trial() -> Callable[..., Trial]:
    """Make an evaluation in which every item is right with the given chances."""
    return make_trial


@pytest.fixture
def label_trial() -> Callable[..., Trial]:
    """The same for a classifier against a probe."""
    return make_label_trial
