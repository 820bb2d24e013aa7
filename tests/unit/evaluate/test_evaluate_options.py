"""What is made of how likely each option is."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.evaluate.metrics.options import option_scores, option_words, told_logs

LOGS = st.lists(st.floats(-50, 0), min_size=2, max_size=6)


@given(LOGS)
def test_probabilities_of_all_options_add_up_to_one(logs: list[float]) -> None:
    each = [option_scores(logs, place) for place in range(len(logs))]
    assert math.fsum(one["p_gold"] for one in each) == pytest.approx(1)
    assert math.fsum(one["accuracy"] for one in each) == pytest.approx(1)
    shares = [one["p_gold"] for one in each]
    expected = sum(share**2 for share in shares[1:]) + (shares[0] - 1) ** 2
    assert each[0]["brier"] == pytest.approx(expected, abs=1e-12)


@given(LOGS)
def test_what_is_shown_holds_what_was_counted(logs: list[float]) -> None:
    options = [f"option: {place}" for place in range(len(logs))]
    text = option_words(options, logs)
    assert told_logs(text) == logs
    assert text.endswith(options[logs.index(max(logs))])


def test_ties_are_shared() -> None:
    assert option_scores([-1.0, -1.0, -2.0], 1)["accuracy"] == 0.5
    assert option_scores([-1.0, -1.0, -2.0], 2)["accuracy"] == 0
