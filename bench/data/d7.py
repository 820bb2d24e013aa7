"""Cleaning against planted damage: what is caught, what sound text is lost, and how fast it goes.

Mojibake, loops, boilerplate, wrong languages and broken answers, 5 % each, stand among specifications, FAQs and code.
A defect is caught if its row is in quarantine, or mended to the very text it was before. A sound row is lost if it is
in quarantine, or if any of its letters or digits were cut. Then the documents among the rows are trained shortly, with
and without what was taken out: documents that were held out must not cost more bits per byte without it.
"""

import re
import time
from collections import Counter
from typing import Any

from bench.data._d7_bits import bits_with_and_without
from bench.data._d7_material import Planted, build
from bench.record import Asked, Outcome, run_bench, say

from luthier.prepare.clean.cleaning import clean_texts
from luthier.prepare.clean.config import CleanConfig
from luthier.prepare.clean.quality import LIMITS, quality_scores
from luthier.prepare.clean.texts import Cleaned, CleanInput

ROWS, QUICK_ROWS = 6_000, 2_400
CAUGHT, LOST = 0.95, 0.01
SETTINGS = CleanConfig(languages=["en"])
"""The defaults, and the one language that the corpus is in: nobody else can know it."""
MARKS = re.compile(r"[\W_]+")
SHOWN = 12
GOPHER = tuple(LIMITS)[:8]


def measure(asked: Asked) -> Outcome:
    """Clean once, and hold the result against what was planted."""
    planted = build(asked.seed, rows=QUICK_ROWS if asked.quick else ROWS)
    size = sum(one.row.size for one in planted)
    say(f"{len(planted)} rows, {size / 1e6:.1f} MB")
    rows = [one.row for one in planted]
    clean_texts(rows[:50], thresholds=SETTINGS.thresholds())
    began = time.process_time()
    cleaned = clean_texts(rows, thresholds=SETTINGS.thresholds())
    seconds = time.process_time() - began
    found = judge(planted, cleaned)
    say(f"{size / 1e6 / seconds:.1f} MB/s on one core")
    least = min(found["caught"].values())
    proved = None if asked.quick else bits_with_and_without(build(asked.seed, rows=QUICK_ROWS))
    say("the quick form does not train" if proved is None else proved["words"])
    saved = None if proved is None else proved["saved"]
    return Outcome(
        holds=least >= CAUGHT and found["lost"] <= LOST and (saved is None or saved["high"] >= 0),
        value={
            "caught": found["caught_overall"],
            "caught_least": least,
            "lost": found["lost"],
            "bits_per_byte_saved": saved and {name: round(value, 4) for name, value in saved.items()},
        },
        bar=f">= {CAUGHT:.0%} of every defect caught, <= {LOST:.0%} of sound rows lost, bits per byte not worse",
        peer={"Gopher's rules: sound rows lost": found["gopher_lost"]},
        detail={
            **found,
            "megabytes_per_second": round(size / 1e6 / seconds, 2),
            "megabytes": round(size / 1e6, 1),
            "proved": proved,
        },
    )


def judge(planted: list[Planted], cleaned: Cleaned) -> dict[str, Any]:
    """Shares of defects caught and of sound rows lost, and what went wrong."""
    kept = {one.id: one for one in cleaned.kept}
    rules = {one.id: one.rule for one in cleaned.dropped}
    total, caught, how = Counter[str](), Counter[str](), Counter[str]()
    lost: list[str] = []
    sound = [one for one in planted if one.defect is None]
    for one in planted:
        row = kept.get(one.row.id)
        if one.defect is None:
            if row is None or _said(row) != _said(one.sound):
                lost.append(f"{one.row.id}: {rules.get(one.row.id, 'text was cut')}")
            continue
        total[one.defect] += 1
        good = row is None or _words(row) == _words(one.sound)
        caught[one.defect] += good
        how[f"{one.defect}: {rules.get(one.row.id, 'mended' if good else 'MISSED')}"] += 1
    for line in [*(f"{name}: {count}" for name, count in sorted(how.items())), *lost[:SHOWN]]:
        say(line)
    return {
        "planted": dict(sorted(total.items())),
        "sound": len(sound),
        "caught": {name: caught[name] / total[name] for name in sorted(total)},
        "caught_overall": caught.total() / total.total(),
        "lost": len(lost) / len(sound),
        "lost_rows": lost[:50],
        "how": dict(sorted(how.items())),
        "held": [f"{one.rule}, {one.source}: {one.held}" for one in cleaned.capped],
        "gopher_lost": sum(_fails_gopher(one.sound) for one in sound) / len(sound),
    }


def _said(row: CleanInput) -> str:
    """Letters and digits: what a sound row must keep."""
    return MARKS.sub("", row.text + (row.answer or ""))


def _fails_gopher(row: CleanInput) -> bool:
    scores = quality_scores(f"{row.text}\n{row.answer or ''}")
    return any(not LIMITS[name][0] <= scores[name] <= LIMITS[name][1] for name in GOPHER)


def _words(row: CleanInput) -> list[str]:
    """What a mended row must say, whatever its white space."""
    return [*row.text.split(), *(row.answer or "").split()]


if __name__ == "__main__":
    run_bench("data.d7", measure, about=__doc__)
