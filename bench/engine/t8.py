"""T8: full disks, no memory, damaged bytes, jumping clocks, two processes, sleepers, NaN and power cuts: all as stated?

Tiny models in processes of their own. Every scenario says what must happen, and ends with a run that must equal the
unbroken one bit for bit. Power cuts: all that a whole run does to its folder is recorded, and every state that a POSIX
file system may leave at any moment is laid out and read; from a sample of them training goes on to its end.
"""

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import bench.engine._faults as faults
import cuts
import scenarios
from bench.record import Asked, Outcome, run_bench, say
from tiny_runs import Server, Site, make_site
from trouble import POINTS

FILES = ("state.safetensors", "history.json", "manifest.json")
NOTES = ("replay-0.json", "memory.json")
Scenario = tuple[str, Callable[[], list[str]]]


def measure(asked: Asked) -> Outcome:
    """All scenarios and states; every sixth in the quick form."""
    began, dice = time.monotonic(), random.Random(asked.seed)
    wrong: dict[str, list[str]] = {}
    skipped: list[str] = []
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place, prefix="luthier-t8-") as name:
        folder = Path(name)
        servers = [Server(folder / f"server-{number}") for number in range(2)]
        site = make_site(folder / "site")
        whole = servers[0].run(site, "whole")
        if whole.code != 0:
            raise RuntimeError(f"the unbroken run failed: {whole.told}")
        chosen = [*_processes(servers, site), *_numbers(servers, site), *_damage(servers, site, dice)]
        chosen = chosen[:: 6 if asked.quick else 1]
        for done, (title, scenario) in enumerate(chosen, start=1):
            _note(wrong, title, scenario())
            if done % 5 == 0:
                say(f"scenarios: {faults.so_far(done, len(chosen), began)}")
        skipped += _disk(wrong, site, folder / "small") + _memory(wrong, site, servers[0])
        states = cuts.training_states(site, folder / "recorded")
        if asked.quick:
            states = dice.sample(states, min(200, len(states)))
        say(f"power cuts: {len(states)} states of the disk")
        _note(wrong, "power cuts, read", cuts.losses(site, states, folder / "states", say))
        count = 6 if asked.quick else 80
        say(f"power cuts: going on from {count} of them")
        found = cuts.differences(site, servers[0], states, folder / "again", count=count, seed=asked.seed)
        _note(wrong, f"power cuts, {count} gone on from", found)
        for server in servers:
            server.close()
    return Outcome(
        holds=not any(wrong.values()),
        value={"as_stated": sum(not found for found in wrong.values()), "of": len(wrong), "states": len(states)},
        bar="the stated behaviour everywhere, nothing lost",
        detail={"wrong": wrong, "skipped": skipped, "seconds": round(time.monotonic() - began, 1)},
    )


def _note(wrong: dict[str, list[str]], title: str, found: list[str]) -> None:
    wrong[title] = found
    say(f"{title}: {'; '.join(found[:3]) or 'as stated'}")


def _processes(servers: list[Server], site: Site) -> Iterator[Scenario]:
    yield "two processes on one run", partial(scenarios.two_processes, servers, site)
    for point in scenarios.SLEEPS:
        nth = 2 if point in POINTS and not point.startswith("in rotation") else 1
        yield f"asleep {point}", partial(scenarios.zombie, servers, site, point, nth)
    for how in ("the folder was removed", "the lock was removed"):
        yield f"wakes beside its successor, {how}", partial(scenarios.zombie_meets_the_living, servers, site, how)
    yield "the fence is raised from outside", partial(scenarios.cancelled, servers, site)
    for deed in ("terminate", "interrupt", "ask twice"):
        yield f"signals: {deed}", partial(scenarios.signals, servers, site, deed)


def _numbers(servers: list[Server], site: Site) -> Iterator[Scenario]:
    for seed in range(3):
        yield f"clocks jump, seed {seed}", partial(scenarios.clocks, servers, site, seed)
    for steps, kill_at in (([3], 3), ([3], 4), ([2, 3], 3), ([3, 4, 5], 4), ([3, 4, 5], 5), ([1, 2, 3], 2)):
        title = f"steps {steps} are not finite, killed at {kill_at}"
        yield title, partial(scenarios.not_finite, servers, site, steps, kill_at)
    for steps in ([1, 2, 3], [3, 4, 5]):
        yield f"steps {steps} are never finite", partial(scenarios.never_finite, servers, site, steps)


def _damage(servers: list[Server], site: Site, dice: random.Random) -> Iterator[Scenario]:
    def cut(data: bytes) -> bytes:
        return data[: dice.randrange(len(data))]

    def flip(data: bytes) -> bytes:
        place = dice.randrange(len(data))
        return data[:place] + bytes([data[place] ^ 1 << dice.randrange(8)]) + data[place + 1 :]

    for number in range(4):
        for file in FILES:
            for how in (cut, flip):
                title = f"{file}: {how.__name__}, {number}"
                yield title, partial(scenarios.damaged, servers, site, file, how)
    for file in NOTES:
        for how in (cut, flip):
            yield f"{file}: {how.__name__}", partial(scenarios.damaged_notes, servers, site, file, how)


def _disk(wrong: dict[str, list[str]], site: Site, folder: Path) -> list[str]:
    with scenarios.small_disk(folder) as server:
        if server is None:
            return ["full disk: this kernel lets nobody mount a small disk"]
        for ending in ("space", "stopped", "nothing", *scenarios.FULL_AT):
            how = ending if ending in scenarios.FULL_AT else f"then {ending}"
            _note(wrong, f"full disk, {how}", scenarios.full_disk(server, site, folder / "disk", ending))
    return []


def _memory(wrong: dict[str, list[str]], site: Site, server: Server) -> list[str]:
    with scenarios.limited_memory() as group:
        if isinstance(group, str):
            return [f"out of memory: {group}"]
        _note(wrong, "killed for memory", scenarios.out_of_memory(server, site, group))
    return []


if __name__ == "__main__":
    run_bench("engine.t8", measure, about=__doc__)
