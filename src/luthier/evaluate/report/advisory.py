"""What was asked beside the exam and decides nothing: public suites, and a judge that proved itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from luthier.evaluate.report.parts import Cell, Figure, Section, Table

MEANING = "Asked beside the exam, and no part of the verdict: read it where it touches what you need the model for."


def advisory(record: Mapping[str, Any]) -> Section | None:
    """One row per public suite, and what the judge found."""
    figures = record["figures"]
    suites, lines = figures.get("suites", {}), tuple(_judge(figures.get("judge")))
    if not suites and not lines:
        return None
    head = ("Suite", "Metric", "Items", "Base", "Tuned", "Gain", "p, corrected")
    rows = tuple(_row(name, figure) for name, figure in suites.items())
    table = Table("Public suites", head, rows, numbers=(2, 3, 4, 5, 6)) if rows else None
    return Section("Beside the exam", (Figure(MEANING, table=table),), lines)


def _row(name: str, figure: Mapping[str, Any]) -> tuple[Cell, ...]:
    gain, chance = figure["gain"], figure["adjusted"]
    bounds = "" if gain["low"] is None else f" ({gain['low']:+.3f} to {gain['high']:+.3f})"
    numbers = (
        f"{gain['n']:,}",
        *(f"{figure[arm]['value']:.3f}" for arm in ("base", "tuned")),
        f"{gain['value']:+.3f}{bounds}",
        "-" if chance is None else f"{chance:.2g}",
    )
    return (Cell(name), Cell(figure["metric"]), *map(Cell, numbers))


def _judge(judge: Mapping[str, Any] | None) -> Iterator[str]:
    if judge is None:
        return
    proof = f"The judge {judge['model']} got {judge['right']} of 100 planted pairs right"
    if not judge["on"]:
        yield f"{proof}, which is too few: it was not asked about the answers."
        return
    yield f"{proof}, so it was asked."
    for name, told in (("win_rate", "It prefers the tuned answer"), ("at_equal_length", "At equal length")):
        rate = judge.get(name)
        if rate is not None:
            yield f"{told} in {rate['value']:.0%} of items ({rate['low']:.0%} to {rate['high']:.0%}); 50 % is a draw."
