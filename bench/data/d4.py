"""D4: does removing near-duplicates grow with the text, and survive kills, on one process, four, and a cluster?

1 MB, 100 MB and 10 GB of texts of 1.3 KB, a fifth of them edited copies, in Parquet files whose copies stand in other
files. Truth is what one unbroken process writes: four processes must write the same bytes, after kill -9 of them all at
random moments too; at 100 MB a cluster of three raylets that loses one, and from 10 MB of plain texts the
whole of `prepare` with one process and four. Processor time is that of all processes, memory the most that all of them
held together.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from bench.data._near_texts import bulk_texts
from bench.record import ROOT, Asked, Outcome, run_bench, say

MB = 1_000_000
SIZES, QUICK_SIZES = (1 * MB, 100 * MB, 10_000 * MB), (1 * MB, 10 * MB)
PREPARED, QUICK_PREPARED = 10 * MB, 2 * MB
BYTES_A_TEXT, ROW_GROUP = 1_323, 5_000
TEXTS_A_SERIES, FILES_A_SERIES = 200_000, 4
WORKERS, KILLS = 4, 5
CORE_HOURS_A_TB, STEEPER, GIB = 60, 1.3, 4e9 / 2**30
EVERY = 0.1
"""Seconds between two looks at memory."""
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Run:
    """A run to its end."""

    seconds: float
    cpu: float
    """Seconds of all processes."""
    gib: float
    """The most memory that was seen in all processes at one time."""
    found: int | None
    """Shards that were there when it began; None if all was done."""
    digest: str


@dataclass(slots=True)
class Killed:
    """What kills did."""

    lost: list[int] = field(default_factory=list)
    """Per kill, shards under way."""
    redone: int = 0
    """Finished shards that were done again."""
    digests: set[str] = field(default_factory=set)

    def end(self, run: Run, finished: Mapping[str, int]) -> None:
        """Account for a run that came to its end, with what was finished before."""
        self.digests.add(run.digest)
        self.redone += 0 if run.found is None else len(finished) - run.found


def measure(asked: Asked) -> Outcome:
    """All sizes; the quick form stops at 10 MB."""
    sizes = QUICK_SIZES if asked.quick else SIZES
    dice = random.Random(asked.seed)
    sizes_told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="d4-") as temporary:
        for size in sizes:
            folder = Path(temporary) / str(size)
            written = write_texts(folder / "texts", seed=asked.seed, size=size)
            say(f"{written / MB:,.0f} MB of text written")
            found = sizes_told[f"{size // MB} MB"] = _measured(folder, dice) | {"bytes": written}
            if size == sizes[1]:
                prepared = QUICK_PREPARED if asked.quick else PREPARED
                elsewhere = _elsewhere(folder, found["digests"]["one"], seed=asked.seed, size=prepared)
            shutil.rmtree(folder)
    return _outcome(sizes_told, elsewhere)


def _outcome(told: Mapping[str, Any], elsewhere: Mapping[str, Any]) -> Outcome:
    *_, middle, largest = told.values()
    per_byte = [max(one["cpu"].values()) / one["bytes"] for one in (middle, largest)]
    hours = per_byte[1] * 1e12 / 3600
    steeper = per_byte[1] / per_byte[0]
    gib = max(max(one["gib"].values()) for one in told.values())
    lost, redone = (max(one[name] for one in told.values()) for name in ("lost", "redone"))
    same = elsewhere["same"] and all(one["same"] for one in told.values())
    return Outcome(
        holds=hours <= CORE_HOURS_A_TB
        and steeper <= STEEPER
        and gib <= GIB
        and lost <= WORKERS
        and not redone
        and same,
        value={
            "core_hours_a_tb": round(hours, 2),
            "times_middle_per_byte": round(steeper, 2),
            "gib": round(gib, 2),
            "shards_lost_a_kill": lost,
            "finished_shards_redone": redone,
            "same_bytes": same,
        },
        bar=f"<= {CORE_HOURS_A_TB} core-hours a TB, a byte <= {STEEPER} x that of the size before, <= 4 GB, <= 1 shard "
        f"lost per worker ({WORKERS}) and kill, none done twice, the same bytes whoever did the work",
        detail={**told, "elsewhere": elsewhere},
    )


def _measured(folder: Path, dice: random.Random) -> dict[str, Any]:
    """One size: unbroken runs with one process and four, and kills."""
    texts, out = folder / "texts", folder / "out"
    one, four = (_finished(_start(texts, out, count), out) for count in (1, WORKERS))
    say(f"one process {one.seconds:.1f} s, {one.cpu:.1f} s of processors, {one.gib:.2f} GiB; four {four.seconds:.1f} s")
    killed = _killed(partial(_start, texts, out, WORKERS), out, dice, seconds=four.seconds)
    say(f"{KILLS} kills: {killed.lost} shards under way, {killed.redone} finished ones done again")
    digests = {"one": one.digest, "four": four.digest, "killed": " ".join(sorted(killed.digests))}
    return {
        "seconds": {"one": one.seconds, "four": four.seconds},
        "cpu": {"one": one.cpu, "four": four.cpu},
        "gib": {"one": one.gib, "four": four.gib},
        "lost": max(killed.lost),
        "redone": killed.redone,
        "same": len(set(digests.values())) == 1,
        "digests": digests,
    }


def _elsewhere(folder: Path, digest: str, *, seed: int, size: int) -> dict[str, Any]:
    """A cluster that loses a machine, and all of `prepare` with one process and four."""
    lost = _finished(_start(folder / "texts", folder / "out", 0), folder / "out").digest
    say(f"cluster that lost a raylet: {'the same' if lost == digest else 'OTHER'} bytes")
    written = write_texts(folder / "plain", seed=seed, size=size)
    one, four = (_prepared(folder / "plain", folder / f"prepared-{count}", count) for count in (1, WORKERS))
    say(f"{written / MB:,.0f} MB prepared: {'the same' if one == four else 'OTHER'} dataset and exam")
    return {"cluster": lost, "prepared": [one, four], "same": lost == digest and one == four}


def _prepared(texts: Path, out: Path, workers: int) -> dict[str, Any]:
    words = [sys.executable, "-m", "bench.data._luthier_prepare", str(texts), str(out), str(workers)]
    done = subprocess.run(words, env=_environment(out), cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout.strip().rpartition("\n")[2])
    return told


def _start(texts: Path, out: Path, workers: int) -> "subprocess.Popen[str]":
    """Start a run in a session of its own."""
    words = [sys.executable, "-m", "bench.data._luthier_near", str(texts), str(out), str(workers)]
    return subprocess.Popen(
        words, env=_environment(out), cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def _environment(out: Path) -> dict[str, str]:
    # Names of Ray's sockets must be short.
    return {**os.environ, "OMP_NUM_THREADS": "1", "RAY_TMPDIR": str(out.parent.parent), "RAY_ADDRESS": ""}


def _finished(process: "subprocess.Popen[str]", out: Path) -> Run:
    """Watch a run to its end, and take away what it wrote; RuntimeError if it failed."""
    began, gib = time.perf_counter(), 0.0
    while process.poll() is None:
        gib = max(gib, _memory_of(process.pid))
        time.sleep(EVERY)
    seconds = time.perf_counter() - began
    assert process.stdout is not None
    told = process.stdout.read()
    if process.returncode != 0:
        raise RuntimeError(f"a run ended with {process.returncode}: {told[-2000:]}")
    last = json.loads(told.strip().rpartition("\n")[2])
    digest = hashlib.sha256(b"".join((out / name).read_bytes() for name in sorted(os.listdir(out)))).hexdigest()
    shutil.rmtree(out)
    return Run(seconds, last["cpu"], gib, last["found"], digest)


def _killed(start: Callable[[], "subprocess.Popen[str]"], out: Path, dice: random.Random, *, seconds: float) -> Killed:
    """Kill runs at random moments, each going on from the last, and let one end."""
    killed, finished, under_way = Killed(), dict[str, int](), set[str]()
    while len(killed.lost) < KILLS:
        process = start()
        time.sleep(dice.uniform(0, seconds))
        if process.poll() is not None:
            # It was faster than death: the next begins from nothing.
            killed.end(_finished(process, out), finished)
            finished, under_way = {}, set()
            continue
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        before, finished = (
            finished,
            {path.parent.name: path.stat().st_mtime_ns for path in _shards(out, "*/receipt.json")},
        )
        left = {path.name for path in _shards(out, ".building-*")}
        killed.lost.append(len(left - under_way))
        killed.redone += sum(finished.get(name, when) != when for name, when in before.items())
        under_way = left
    killed.end(_finished(start(), out), finished)
    return killed


def _shards(out: Path, pattern: str) -> Iterator[Path]:
    return (out / "shards").glob(pattern)


def _memory_of(session: int) -> float:
    """GiB held by all processes of a session; what they share counts once for each."""
    pages = 0
    for listed in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = listed.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        pages += int(fields[21]) if int(fields[3]) == session else 0
    return pages * PAGE / 2**30


def write_texts(folder: Path, *, seed: int, size: int) -> int:
    """Write about so many bytes of text, and return how many."""
    folder.mkdir(parents=True)
    count = size // BYTES_A_TEXT
    series = min(TEXTS_A_SERIES, max(count // FILES_A_SERIES, 1))
    jobs = [(folder, seed, first, min(series, count - first)) for first in range(0, count, series)]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=get_context("spawn")) as pool:
        return sum(pool.map(_write_series, jobs))


def _write_series(job: tuple[Path, int, int, int]) -> int:
    """Write some texts, one after another into four files: copies stand in other files than what they are copies of."""
    folder, seed, first, count = job
    texts = bulk_texts(seed + first, count=count)
    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    size = done = 0
    with ExitStack() as stack:
        files = [
            stack.enter_context(pq.ParquetWriter(folder / f"{first:010}-{number}.parquet", schema))
            for number in range(FILES_A_SERIES)
        ]
        while rows := list(islice(texts, FILES_A_SERIES * ROW_GROUP)):
            for number, file in enumerate(files):
                mine = rows[number::FILES_A_SERIES]
                ids = [f"{first + done + place:010}" for place in range(number, len(rows), FILES_A_SERIES)]
                file.write_table(pa.table({"id": ids, "text": mine}, schema=schema))
            size += sum(map(len, rows))
            done += len(rows)
    return size


if __name__ == "__main__":
    run_bench("data.d4", measure, about=__doc__)
