"""Texts that belong together: query and positive with or without negatives, and two sentences with a score."""

import math
from typing import Any

from luthier.collect.formats.check import BadRowError, checked_text, plain_text, structured
from luthier.collect.formats.shape import Cells, RowFormat
from luthier.records import Origin, Pair

QUERIES = ("query", "anchor")
POSITIVES = ("positive", "pos")
FIRSTS = ("sentence1", "sentence_1", "sentence_A", "text1", "text_1", "question1")
SECONDS = ("sentence2", "sentence_2", "sentence_B", "text2", "text_2", "question2")
"""Names of two texts that are compared."""


def _pair(cells: Cells, origin: Origin) -> Pair:
    query = checked_text(cells.value("query"), cells.name("query"))
    positives = _texts(cells, "positive")
    if len(positives) != 1:
        raise BadRowError(f"{cells.name('positive')} has {len(positives)} texts; write one row for each")
    negatives = _texts(cells, "negative") if cells.value("negative") not in (None, "", []) else ()
    if positives[0] in negatives:
        raise BadRowError(f"{cells.name('negative')} repeats {cells.name('positive')}")
    return Pair(query=query, positive=positives[0], negatives=negatives, score=None, origin=origin)


def _texts(cells: Cells, role: str) -> tuple[str, ...]:
    name, value = cells.name(role), cells.value(role)
    found = structured(value)
    if isinstance(found, list):
        return tuple(checked_text(text, f"{name}[{place}]") for place, text in enumerate(found))
    return (checked_text(value, name),)


def _scored(cells: Cells, origin: Origin) -> Pair:
    first, second = (checked_text(cells.value(role), cells.name(role)) for role in ("query", "positive"))
    score = _number(cells.value("score"))
    if score is None:
        raise BadRowError(f"{cells.name('score')} is '{plain_text(cells.value('score'))}', expected a number")
    if not 0 <= score <= 1:
        shown = f"{cells.name('score')} is {plain_text(score)}"
        raise BadRowError(f"{shown}, expected 0 to 1; divide by the highest score of the scale")
    return Pair(query=first, positive=second, negatives=(), score=score, origin=origin)


def _number(value: Any) -> float | None:
    try:
        number = float(value if isinstance(value, int | float) else plain_text(value).strip())
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def is_number(value: Any) -> bool:
    """True for a number, and for a cell that holds nothing."""
    return value in (None, "") or _number(value) is not None


def _looks_scored(cells: Cells) -> bool:
    return is_number(cells.value("score"))


PAIR = RowFormat(
    name="pair",
    required={"query": QUERIES, "positive": POSITIVES},
    optional={"negative": ("negative", "negatives", "neg", "hard_negative", "hard_negatives")},
    make=_pair,
)
SCORED = RowFormat(
    name="scored",
    required={
        "query": (*FIRSTS, *QUERIES),
        "positive": (*SECONDS, *POSITIVES),
        "score": ("score", "similarity_score", "similarity", "relatedness_score", "label", "is_duplicate"),
    },
    optional={},
    make=_scored,
    looks=_looks_scored,
)
