"""D3: documents per second of near-duplicate removal, from a Parquet file to the ids that stay, on two cores.

100,000 documents of 1.3 KB, a fifth of them edited copies. Beside us datatrove, text-dedup and datasketch, each in
an environment of its own, in the same run, one after another in every round. All use five words in a row and 32 bands
of 4 rows, the fastest hash they offer and as many processes as they offer; they do not verify what they find. Peers
are given a fifth of the documents; everybody's start counts. Memory is that of a million documents, all processes.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from bench.data._near_texts import bulk_texts
from bench.peers import peer_python
from bench.record import Asked, Outcome, run_bench, say

HERE = Path(__file__).parent
COUNT, PEERS_SHARE, ROUNDS, MILLION = 100_000, 5, 3, 1_000_000
FLOOR, FASTER, GIB_A_MILLION = 10_000, 10, 1.5
PART, ROW_GROUP = 50_000, 5_000
WORKERS = 2
REQUIREMENTS = {
    "datasketch": ["datasketch==2.0.0", "pyarrow==26.0.1", "xxhash==4.1.0"],
    "datatrove": ["datatrove[processing,io]==0.10.1"],
    "text-dedup": ["text-dedup==0.4.0"],
}
Command = Callable[[Path, Path], Sequence[str]]


def measure(asked: Asked) -> Outcome:
    """Three rounds; the quick form has one round of 5,000 documents for everybody."""
    count, share, rounds = (5_000, 1, 1) if asked.quick else (COUNT, PEERS_SHARE, ROUNDS)
    commands = _commands()
    speeds: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        small, whole = folder / "small", folder / "whole"
        _write(small, asked.seed, count=count // share)
        size = _write(whole, asked.seed, count=count)
        for number in range(rounds):
            for name, command in commands.items():
                source, texts = (whole, count) if name == "luthier" else (small, count // share)
                out = folder / f"{name}-{number}"
                seconds, _ = _timed(command(source, out), log=folder / "log.txt")
                speeds[name].append(texts / seconds)
                say(f"round {number + 1}: {name} {texts / seconds:,.0f} documents/s")
        million = count if asked.quick else MILLION
        _write(folder / "million", asked.seed + 1, count=million)
        seconds, peak = _timed(commands["luthier"](folder / "million", folder / "out"), log=folder / "log.txt")
        say(f"{million:,} documents: {million / seconds:,.0f} documents/s, {peak:.2f} GiB")
    median = {name: round(statistics.median(found)) for name, found in speeds.items()}
    fastest = max((name for name in median if name != "luthier"), key=median.__getitem__)
    times = median["luthier"] / median[fastest]
    return Outcome(
        holds=median["luthier"] >= FLOOR and times >= FASTER and peak <= GIB_A_MILLION,
        value={
            "documents_per_second": median["luthier"],
            "times_fastest_peer": round(times, 1),
            "gib_a_million": round(peak, 3),
        },
        bar=f">= {FLOOR:,} documents/s, >= {FASTER} x the fastest peer, <= {GIB_A_MILLION} GiB per million documents",
        peer=median,
        detail={
            "rounds": speeds,
            "speed_of_a_million": million / seconds,
            "bytes_a_document": round(size),
            "documents": count,
            "peers_share": share,
        },
        versions={name: pins[0].partition("==")[2] for name, pins in REQUIREMENTS.items()},
    )


def _commands() -> dict[str, Command]:
    python = {name: str(peer_python(name, requirements=pins)) for name, pins in REQUIREMENTS.items()}
    return {
        "luthier": lambda source, out: [
            sys.executable, str(HERE / "_luthier_near.py"), str(source), str(out), str(WORKERS),
        ],
        "datasketch": lambda source, out: [
            python["datasketch"], str(HERE / "_peer_datasketch.py"), str(source), str(out),
        ],
        "datatrove": lambda source, out: [python["datatrove"], str(HERE / "_peer_datatrove.py"), str(source), str(out)],
        "text-dedup": lambda source, out: [python["text-dedup"], "-m", "text_dedup.minhash", *_text_dedup(source, out)],
    }  # fmt: skip


def _text_dedup(source: Path, out: Path) -> list[str]:
    settings = {
        "path": "parquet", "data_dir": source, "split": "train", "cache_dir": f"{out}-cache", "output": out,
        "column": "text", "idx_column": "id", "num_proc": 2, "ngram": 5, "min_length": 0, "num_perm": 128,
        "b": 32, "r": 4, "hash_func": "xxh3", "hash_bits": 32,
    }  # fmt: skip
    return [word for name, value in settings.items() for word in (f"--{name}", str(value))]


def _write(folder: Path, seed: int, *, count: int) -> float:
    """Write the texts in two files or more, and return the mean bytes of one."""
    folder.mkdir()
    texts = bulk_texts(seed, count=count)
    size, each = 0, min(PART, count // 2)
    for part, first in enumerate(range(0, count, each)):
        rows = list(islice(texts, each))
        size += sum(map(len, rows))
        table: dict[str, Any] = {"id": [f"{first + place:09}" for place in range(len(rows))], "text": rows}
        pq.write_table(pa.table(table), folder / f"{part:03}.parquet", row_group_size=ROW_GROUP)
    return size / count


def _timed(command: Sequence[str], *, log: Path) -> tuple[float, float]:
    """Seconds of a command, and the sum of the peaks of its processes in GiB where it tells them on its last line."""
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent.parent)}
    began = time.perf_counter()
    with log.open("w+", encoding="utf-8") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env=offline, check=False)
        seconds = time.perf_counter() - began
        file.seek(0)
        told = file.read()
    if done.returncode != 0:
        raise RuntimeError(f"{command[1]} failed:\n{told[-2000:]}")
    last = told.strip().rpartition("\n")[2]
    return seconds, json.loads(last)["gib"] if last.startswith('{"gib"') else 0.0


if __name__ == "__main__":
    run_bench("data.d3", measure, about=__doc__)
