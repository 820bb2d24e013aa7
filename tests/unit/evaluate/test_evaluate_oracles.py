"""Every statistic and metric against its oracle, as E11 does with a thousand inputs."""

import numpy as np
import pytest
from bench.evidence._oracles import MONTE_CARLO, ORACLES


@pytest.mark.parametrize("name", ORACLES)
def test_our_numbers_are_the_oracles(name: str) -> None:
    distance, allowed = ORACLES[name]
    random = np.random.default_rng(11)
    # A chance found by drawing may be three standard errors away.
    limit = 0.015 if allowed == MONTE_CARLO else allowed
    assert max(distance(random) for _ in range(8)) <= limit
