"""`luthier verify` on the demo's evidence: how long it takes, and whether it catches edited digits.

200 random single digits of evidence.json are changed, one at a time; then single figures are changed by a forger who
renews the file's own hash.
"""

import json
import random
import re
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.record import Asked, Outcome, run_bench, say
from bench.runs import DEMO, finished_run, luthier, quick_run

from luthier.artifacts.canonical import sha256_of
from luthier.evaluate.report.evidence import evidence_bytes
from luthier.evaluate.verify import verify

SECONDS = 5.0
EDITS, FORGERIES = 200, 50


def measure(asked: Asked) -> Outcome:
    """Bar 7; the quick form makes 20 edits on a short run."""
    run = quick_run() if asked.quick else finished_run(DEMO)
    ended = [luthier("verify", str(run), "--json") for _ in range(3)]
    follows = all(each.result()["holds"] for each in ended)
    seconds = statistics.median(each.seconds for each in ended)
    say(f"luthier verify: {seconds:.2f} s (median of 3), {'everything follows' if follows else 'PROBLEMS'}")
    edits, forgeries = (10, 10) if asked.quick else (EDITS, FORGERIES)
    whole = (run / "report" / "evidence.json").read_bytes()
    dice = random.Random(asked.seed)
    missed_edits = _missed(_edited(whole, dice), edits)
    missed_forgeries = _missed(_forged(whole, dice), forgeries)
    say(f"{edits - len(missed_edits)} of {edits} edited digits caught")
    say(f"{forgeries - len(missed_forgeries)} of {forgeries} figures with a renewed hash caught")
    return Outcome(
        holds=follows and seconds < SECONDS and not missed_edits and not missed_forgeries,
        value={"seconds": round(seconds, 2), "caught": edits - len(missed_edits)},
        bar=f"< {SECONDS:g} s, everything follows, {edits} of {edits} edited digits caught",
        detail={"forgeries": forgeries, "missed_edits": missed_edits, "missed_forgeries": missed_forgeries},
    )


def _missed(attempts: Iterator[tuple[str, bytes]], count: int) -> list[str]:
    """What verify did not notice, of the first `count` attempts."""
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "evidence.json"
        for _, (what, content) in zip(range(count), attempts, strict=False):
            path.write_bytes(content)
            if not verify(path):
                missed.append(what)
    return missed


def _edited(whole: bytes, dice: random.Random) -> Iterator[tuple[str, bytes]]:
    """Copies with one digit replaced by another."""
    digits = [match.start() for match in re.finditer(rb"[0-9]", whole)]
    while True:
        place = dice.choice(digits)
        other = dice.choice([digit for digit in b"0123456789" if digit != whole[place]])
        yield f"byte {place}", whole[:place] + bytes([other]) + whole[place + 1 :]


def _forged(whole: bytes, dice: random.Random) -> Iterator[tuple[str, bytes]]:
    """Copies with one figure changed a little and the hash of the whole made to fit again."""
    names = list(_numbers(json.loads(whole)["figures"]))
    while True:
        path = dice.choice(names)
        record = json.loads(whole)
        holder: Any = record["figures"]
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] += 1 if isinstance(holder[path[-1]], int) else 1e-6
        del record["sha256"]
        record["sha256"] = sha256_of(record)
        yield ".".join(map(str, path)), evidence_bytes(record)


def _numbers(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all numbers inside a JSON value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _numbers(inner, (*path, place))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path


if __name__ == "__main__":
    run_bench("evidence.verify", measure, about=__doc__)
