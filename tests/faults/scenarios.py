"""Faults of the machine, and what must come of them. Each scenario returns what went wrong: nothing, if all is well."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from tiny_runs import Child, Ended, Server, Site
from torch import isfinite
from trouble import OTHER_POINTS, POINTS

from luthier.artifacts.fence import FENCE
from luthier.artifacts.lock import LOCK

Wrong = list[str]
CONFLICT, FAILED, INTERRUPTED, TERMINATED = 5, 1, 130, 143
SLEEPS = [point for point in (*POINTS, *OTHER_POINTS) if point != "before the fence is raised"]
"""Points at which a process that holds the run may fall asleep."""
IDLE = ("after the sweep", "after the model is renamed")
"""Points at which one that wakes has nothing left to write: the model is there."""
FULL_AT = ("after the fence is raised", "after the sweep", "before the model's files", "before the model's manifest")
"""Points outside of commits at which the disk may fill up."""
DISK = "8m"
MEMORY = 160 << 20
"""Bytes that a run may take beyond what it shares with its server."""


def two_processes(servers: list[Server], site: Site) -> Wrong:
    """The second gets a clear error; the first is not disturbed."""
    _clear(site, "two")
    first = servers[0].start(site, "two", at=2, deed="sleep")
    _asleep(first)
    second = servers[1].run(site, "two")
    first.kill(signal.SIGCONT)
    wrong = [*_expect(second, CONFLICT, f"process {first.pid} works on this run"), *_expect(first.wait(), 0)]
    return wrong + _differs(site, "two")


def zombie(servers: list[Server], site: Site, point: str, nth: int = 1) -> Wrong:
    """It fell asleep at a named point, its lock file was removed, another finished the run; it wakes."""
    run = _clear(site, "zombie")
    first = servers[0].start(site, "zombie", point=point, nth=nth, signal=signal.SIGSTOP)
    if not _asleep(first):
        return [f"{point} was not reached: {first.wait()}"]
    (run / LOCK).unlink()
    wrong = [*_expect(servers[1].run(site, "zombie"), 0), *_differs(site, "zombie")]
    before = _snapshot(run)
    first.kill(signal.SIGCONT)
    ended = first.wait()
    wrong += _expect(ended, 0) if point in IDLE else _expect(ended, CONFLICT, "taken this run over")
    wrong += [] if _snapshot(run) == before else [f"it wrote {_changed(before, _snapshot(run))}"]
    return [f"{point}: {line}" for line in wrong]


def zombie_meets_the_living(servers: list[Server], site: Site, how: str) -> Wrong:
    """It wakes in the middle of its successor's work."""
    run = _clear(site, "meeting")
    first = servers[0].start(site, "meeting", at=3, deed="sleep")
    _asleep(first)
    if how == "the folder was removed":
        shutil.rmtree(run)
    else:
        (run / LOCK).unlink()
    second = servers[1].start(site, "meeting", at=4, deed="sleep")
    _asleep(second)
    before = _snapshot(run)
    first.kill(signal.SIGCONT)
    wrong = _expect(first.wait(), CONFLICT, "taken this run over")
    wrong += [] if _snapshot(run) == before else [f"it wrote {_changed(before, _snapshot(run))}"]
    second.kill(signal.SIGCONT)
    return [*wrong, *_expect(second.wait(), 0), *_differs(site, "meeting")]


def cancelled(servers: list[Server], site: Site) -> Wrong:
    """Whoever gives out the work raises the fence: the run stops, and the next one goes on."""
    run = _clear(site, "cancelled")
    first = servers[0].start(site, "cancelled", at=3, deed="sleep")
    _asleep(first)
    (run / FENCE).write_text("7 cancelled")
    first.kill(signal.SIGCONT)
    wrong = _expect(first.wait(), CONFLICT, "taken this run over")
    return [*wrong, *_expect(servers[0].run(site, "cancelled"), 0), *_differs(site, "cancelled")]


def clocks(servers: list[Server], site: Site, seed: int = 0) -> Wrong:
    """Clocks that jump by years change nothing, also when the run is killed and goes on."""
    run = _clear(site, "clocks")
    wrong = _expect(servers[0].run(site, "clocks", clocks=seed, at=3, deed="die"), -signal.SIGKILL)
    for place, path in enumerate(run.rglob("*")):
        os.utime(path, ((place * 7919 + seed) % 2**33,) * 2)
    return [*wrong, *_expect(servers[0].run(site, "clocks", clocks=seed + 1), 0), *_differs(site, "clocks")]


def signals(servers: list[Server], site: Site, deed: str) -> Wrong:
    """The first asks, and a checkpoint is written; the second insists."""
    code = INTERRUPTED if deed == "interrupt" else TERMINATED
    words = "Stopped on request" if deed == "ask twice" else "the checkpoint of step 3 is written"
    _clear(site, "signals")
    wrong = _expect(servers[0].run(site, "signals", at=3, deed=deed), code, words)
    return [*wrong, *_expect(servers[0].run(site, "signals"), 0), *_differs(site, "signals")]


def not_finite(servers: list[Server], site: Site, steps: list[int], kill_at: int) -> Wrong:
    """Skipped steps and a way back are the same in a run that is killed, however seldom it saves."""
    _clear(site, "plain")
    server, trouble = servers[0], {"not_finite": steps}
    wrong = _expect(server.run(site, "plain", **trouble), 0)
    expected = site.result("plain")
    seldom = Site(site.folder, {**site.settings, "checkpoint_minutes": 60.0})
    for place in (site, seldom):
        run = _clear(site, "spoilt")
        wrong += _expect(server.run(place, "spoilt", at=kill_at, deed="die", **trouble), -signal.SIGKILL)
        wrong += _expect(server.run(place, "spoilt", **trouble), 0)
        wrong += _differs(place, "spoilt", expected) + _numbers(run)
    return wrong


def never_finite(servers: list[Server], site: Site, steps: list[int]) -> Wrong:
    """Half the rate does not help: a named error, every time, and no checkpoint with a NaN."""
    run, wrong = _clear(site, "never"), []
    for _ in range(2):
        ended = servers[0].run(site, "never", not_finite=steps, always=True)
        wrong += _expect(ended, FAILED, "DivergedError: training diverged at step")
    return wrong + _numbers(run) + (["a model was written"] if (run / "model").exists() else [])


@contextmanager
def small_disk(folder: Path) -> Iterator[Server | None]:
    """A server that has a small disk at `disk` for itself; None where no disk can be mounted."""
    (folder / "disk").mkdir(parents=True)
    script = f'mount -t tmpfs -o size={DISK} tmpfs "$0" && exec "$@"'
    words = ("unshare", "-rm", "sh", "-c", script, str(folder / "disk"))
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode != 0:
        yield None
        return
    server = Server(folder / "server", words)
    yield server
    server.close()


def full_disk(server: Server, site: Site, disk: Path, ending: str) -> Wrong:
    """The disk fills up; then there is space again, or the run is stopped, or nothing happens.

    It fills up after step 3, or at the named point that stands for `ending`, where a run does not wait for space.
    """
    ballast, result = disk / "ballast", server.folder / "result"
    full = {"home": str(disk), "at": 3, "deed": "fill the disk", "ballast": str(ballast), "result": str(result)}
    paused = "paused after step 3"
    match ending:
        case "space":
            ended = server.run(site, ending, **full, patience=60, space=str(ballast))
            wrong = _expect(ended, 0, paused)
        case "stopped":
            ended = server.run(site, ending, **full, patience=60, terminate=True)
            wrong = _expect(ended, TERMINATED, "the disk is full, so step 2 is the last checkpoint")
        case "nothing":
            ended = server.run(site, ending, **full, patience=0.2)
            wrong = _expect(ended, FAILED, "DiskFullError") + _expect(ended, FAILED, "free some space")
        case point:
            paused = ""
            ended = server.run(site, ending, **{**full, "at": -1, "point": point})
            wrong = _expect(ended, FAILED, "DiskFullError") + _expect(ended, FAILED, "free some space")
    wrong += [] if paused in ended.told else [f"it did not say that it is paused: {ended.told}"]
    if ending != "space":
        again = server.run(site, ending, home=str(disk), remove=str(ballast), result=str(result))
        wrong += _expect(again, 0) + ([f"something was lost: {again.told}"] if "moved to" in again.told else [])
    same = result.exists() and json.loads(result.read_text()) == site.result("whole")
    result.unlink(missing_ok=True)
    return wrong + ([] if same else ["the end differs"])


@contextmanager
def limited_memory() -> Iterator[Path | str]:
    """A cgroup of our own whose memory can be limited, or why there is none."""
    try:
        lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    except OSError as error:
        yield f"no cgroups: {error.strerror}"
        return
    mounts = [Path("/sys/fs/cgroup/memory") / path.lstrip("/") for _, kinds, path in lines if kinds == "memory"]
    mounts += [Path("/sys/fs/cgroup") / path.lstrip("/") for _, kinds, path in lines if not kinds]
    for mount in mounts:
        group = mount / f"luthier-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if _limit_file(group).exists():
            yield group
            group.rmdir()
            return
        group.rmdir()
    yield "no cgroup with a memory limit can be made here"


def _limit_file(group: Path) -> Path:
    first = group / "memory.limit_in_bytes"
    return first if first.exists() else group / "memory.max"


def out_of_memory(server: Server, site: Site, group: Path) -> Wrong:
    """The kernel kills the run; the next one goes on under the same limit."""
    _clear(site, "memory")
    _limit_file(group).write_text(str(MEMORY))
    limited = {"group": str(group)}
    wrong = _expect(server.run(site, "memory", **limited, at=3, deed="take memory"), -signal.SIGKILL)
    again = server.run(site, "memory", **limited)
    return [*wrong, *_expect(again, 0), *_differs(site, "memory")]


def damaged(servers: list[Server], site: Site, file: str, damage: Callable[[bytes], bytes]) -> Wrong:
    """A file of the newest checkpoint is damaged: it is put aside and told, and the one before is gone on from."""
    run = _clear(site, "damaged")
    wrong = _expect(servers[0].run(site, "damaged", at=4, deed="terminate"), TERMINATED)
    (path,) = run.glob(f"training/*/checkpoints/step-00000004/{file}")
    path.write_bytes(damage(path.read_bytes()))
    again = servers[0].run(site, "damaged")
    wrong += _expect(again, 0, "step-00000004 moved to")
    kept = list(run.glob("training/*/checkpoints/quarantine/step-00000004-*"))
    return [*wrong, *([] if kept else ["it was not kept"]), *_differs(site, "damaged")]


def damaged_notes(servers: list[Server], site: Site, file: str, damage: Callable[[bytes], bytes]) -> Wrong:
    """What the run worked out once and kept is damaged: that is told, and worked out anew."""
    run = _clear(site, "notes")
    wrong = _expect(servers[0].run(site, "notes", at=3, deed="die"), -signal.SIGKILL)
    (path,) = run.glob(f"training/*/{file}")
    path.write_bytes(damage(path.read_bytes()))
    return [*wrong, *_expect(servers[0].run(site, "notes"), 0, f"{file} is damaged"), *_differs(site, "notes")]


def _asleep(child: Child) -> bool:
    """Wait until it sleeps; False if it ended before."""
    while not child.server.ended(0.005):
        state = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "T":
            return True
    return False


def _expect(ended: Ended, code: int, words: str = "") -> Wrong:
    if ended.code == code and words in ended.told:
        return []
    return [f"expected {code} and {words!r}, ended with {ended.code} in {ended.phase}: {ended.told[-800:]}"]


def _clear(site: Site, name: str) -> Path:
    """The folder of a run, without what an earlier scenario left there."""
    shutil.rmtree(site.folder / name, ignore_errors=True)
    return site.folder / name


def _differs(site: Site, name: str, expected: dict[str, str] | None = None) -> Wrong:
    """What differs from the unbroken run."""
    if not (site.folder / name / "model").exists():
        return ["there is no model"]
    found, expected = site.result(name), expected or site.result("whole")
    return [f"{file} differs" for file in expected if found.get(file) != expected[file]]


def _numbers(run: Path) -> Wrong:
    """Saved numbers that are not finite."""
    return [
        f"{path} holds {name}"
        for path in run.rglob("*.safetensors")
        for name, value in load_file(path).items()
        if not bool(isfinite(value.float()).all())
    ]


def _snapshot(run: Path) -> dict[str, Any]:
    return {
        str(path.relative_to(run)): (path.stat().st_mtime_ns, path.read_bytes()) if path.is_file() else None
        for path in run.rglob("*")
    }


def _changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return sorted(name for name in {**before, **after} if before.get(name, 0) != after.get(name, 0))
