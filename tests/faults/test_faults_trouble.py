"""What the machine and its people do to a run, and what must come of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import scenarios
from tiny_runs import Server, Site


@pytest.fixture(scope="module")
def servers(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """Two, for runs that meet."""
    other = Server(tmp_path_factory.mktemp("server") / "two")
    yield [server, other]
    other.close()


def test_two_processes_on_one_run(servers: list[Server], site: Site) -> None:
    assert scenarios.two_processes(servers, site) == []


@pytest.mark.parametrize(
    "point", ["in the tensors", "before the rename", "before the index", "before the model is renamed"]
)
def test_one_that_slept_while_another_took_over_writes_nothing(servers: list[Server], site: Site, point: str) -> None:
    assert scenarios.zombie(servers, site, point) == []


def test_one_that_wakes_beside_its_successor_stops(servers: list[Server], site: Site) -> None:
    assert scenarios.zombie_meets_the_living(servers, site, "the folder was removed") == []


def test_clocks_may_jump(servers: list[Server], site: Site) -> None:
    assert scenarios.clocks(servers, site) == []


def test_a_second_signal_stops_at_once(servers: list[Server], site: Site) -> None:
    assert scenarios.signals(servers, site, "ask twice") == []


def test_going_back_is_the_same_in_a_run_that_is_killed(servers: list[Server], site: Site) -> None:
    assert scenarios.not_finite(servers, site, [3, 4, 5], kill_at=4) == []


def test_a_full_disk_pauses_the_run(site: Site, tmp_path: Path) -> None:
    with scenarios.small_disk(tmp_path) as small:
        if small is None:
            pytest.skip("this kernel lets nobody mount a small disk")
        for ending in ("space", "stopped", "nothing"):
            assert scenarios.full_disk(small, site, tmp_path / "disk", ending) == [], ending


def test_a_run_that_is_killed_for_memory_goes_on(site: Site, tmp_path: Path) -> None:
    with scenarios.limited_memory() as group:
        if isinstance(group, str):
            pytest.skip(group)
        assert scenarios.out_of_memory(group, site, tmp_path) == []
