"""`kill -9` at any moment costs at most the last steps."""

import pytest
from kills import kill_at, kill_many
from tiny_runs import Server, Site
from trouble import OTHER_POINTS, POINTS

NAMES = [*POINTS, *OTHER_POINTS]
APART = len(NAMES) // 3 + 1


@pytest.mark.parametrize("points", [NAMES[first::APART] for first in range(APART)], ids=", ".join)
def test_kills_at_named_points_lose_nothing(server: Server, site: Site, points: list[str]) -> None:
    assert kill_at(server, site, points) == ""


def test_kills_at_random_moments_lose_nothing(servers: list[Server], site: Site) -> None:
    tally = kill_many(servers, site, runs=4, seed=1)
    assert tally.lost == []
    assert tally.kills >= tally.runs >= 4
