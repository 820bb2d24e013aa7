"""What the machine and its people do to a run, and what must come of it."""

from pathlib import Path

import pytest
import scenarios
from tiny_runs import Server, Site


def test_two_processes_on_one_run(servers: list[Server], site: Site) -> None:
    assert scenarios.two_processes(servers, site) == []


@pytest.mark.parametrize("point", ["in the tensors", "before the index", "before the model is renamed"])
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
        for ending in ("space", "before the model's files"):
            assert scenarios.full_disk(small, site, tmp_path / "disk", ending) == [], ending


def test_a_run_that_is_killed_for_memory_goes_on(server: Server, site: Site) -> None:
    with scenarios.limited_memory() as group:
        if isinstance(group, str):
            pytest.skip(group)
        assert scenarios.out_of_memory(server, site, group) == []


@pytest.mark.parametrize("file", ["replay-0.json", "memory.json"])
def test_what_was_worked_out_once_is_worked_out_anew_if_it_is_damaged(
    servers: list[Server], site: Site, file: str
) -> None:
    def flip(data: bytes) -> bytes:
        return data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]

    assert scenarios.damaged_notes(servers, site, file, flip) == []
