"""Parts of the exam: where the gain is, and where it is not."""

from collections.abc import Mapping
from typing import Any

from luthier.evaluate.arms import slices_of
from luthier.evaluate.metrics.spans import types_of
from luthier.evaluate.metrics.units import RELATIVE, interval_words, item_metric
from luthier.evaluate.report import plots, words
from luthier.evaluate.report.evidence import Observed
from luthier.evaluate.report.parts import Cell, Figure, Section, Table

SLICED = {"slices": ("Expected answer", "Items", "slice"), "by_type": ("Type of entity", "Entities", "type")}
"""What the rows of a table of parts are, what is counted in them, and what numbers them."""
NOTABLE = 0.05
"""Of what is called a difference here, at most this share is expected to be luck (Benjamini and Hochberg)."""


def slices(record: Mapping[str, Any], observed: Observed, *, texts: bool) -> Section | None:
    """One row per expected answer or type of entity, largest first."""
    by = "by_type" if "by_type" in record["figures"] else "slices"
    found = record["figures"].get(by, [])
    metric = item_metric(observed.base.scores)
    if not found or metric in RELATIVE:
        return None
    title, counted, column = SLICED[by]
    names = slices_of(observed.items).names if by == "slices" else types_of(observed.labels)
    ordered = sorted(found, key=lambda row: (-row["n"], row[column]))
    rows = []
    for row in ordered:
        name = words.cut(names[row[column]]) if texts else f"{title} {row[column] + 1}"
        rows.append((Cell(name), *_numbers(row, metric)))
    rival = words.SHORT[record["plan"]["against"]]
    head = (title, counted, rival, "Tuned", "0 to 100 %", "Gain", "Reading")
    table = Table(f"By {title.lower()}", head, tuple(rows), numbers=(1, 2, 3, 5))
    return Section(f"By {title.lower()}", (Figure(_meaning(ordered, rival), table=table),), is_long=True)


def _numbers(row: Mapping[str, Any], metric: str) -> tuple[Cell, ...]:
    plot = plots.spark(row["base"], row["tuned"], title=f"base {row['base']:.0%}, tuned {row['tuned']:.0%}")
    interval = "-" if row["low"] is None else interval_words(row, metric)
    numbers = (f"{row['n']:,}", f"{row['base']:.0%}", f"{row['tuned']:.0%}")
    return (*map(Cell, numbers), Cell(plot, "spark"), Cell(interval), _reading(row))


def _reading(row: Mapping[str, Any]) -> Cell:
    if row["low"] is None:
        return Cell("too few")
    if (row.get("adjusted") or 0.0) > NOTABLE or row["low"] <= 0 <= row["high"]:
        return Cell("not told apart")
    return Cell("better", "right") if row["low"] > 0 else Cell("worse", "wrong")


def _meaning(rows: list[Mapping[str, Any]], rival: str) -> str:
    dots = f"Grey is the {rival.lower()}, green the tuned model"
    if any(row["tuned"] < row["base"] for row in rows):
        return f"{dots}: where green stands left of grey, training did harm; look at such rows' examples first."
    return f"{dots}: add training examples for rows where the green dot stays far left. The verdict rests on no row."
