"""`kill -9` at any moment costs at most the last steps."""

import pytest
from kills import kill_at, kill_many
from tiny_runs import Server, Site
from trouble import OTHER_POINTS, POINTS


@pytest.mark.parametrize("point", [*POINTS, *OTHER_POINTS])
def test_a_kill_at_a_named_point_loses_nothing(server: Server, site: Site, point: str) -> None:
    assert kill_at(server, site, point, nth=1 if point in OTHER_POINTS or point.startswith("in rotation") else 3) == ""


def test_kills_at_random_moments_lose_nothing(server: Server, site: Site) -> None:
    tally = kill_many([server], site, runs=12, seed=1)
    assert tally.lost == []
    assert tally.kills >= tally.runs >= 12
