"""The pairs of the example `synonym-search`, worded, and split by category."""

import csv
import random

from bench.record import ROOT

from luthier.models.chat import Wording
from luthier.records import Worded

FILE = ROOT / "examples" / "synonym-search" / "data" / "synonyms.tsv"


def read_pairs() -> list[tuple[str, str, str]]:
    """Query, positive and code of every pair."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return [(row["query"], row["positive"], row["code"]) for row in csv.DictReader(file, delimiter="\t")]


def split_pairs(pairs: list[tuple[str, str, str]], *, held_out: float, seed: int) -> tuple[list[int], list[int]]:
    """Places of the pairs to learn from and of those held out; a category is on one side."""
    categories = sorted({code[:3] for _, _, code in pairs})
    random.Random(seed).shuffle(categories)
    asked = set(categories[: round(held_out * len(categories))])
    sides: tuple[list[int], list[int]] = ([], [])
    for place, (_, _, code) in enumerate(pairs):
        sides[code[:3] in asked].append(place)
    return sides


def worded_row(wording: Wording, place: int, texts: list[str], *, group: str, score: float | None = None) -> Worded:
    """One row of the texts in their order."""
    parts = [wording.text_ids(text) for text in texts]
    ids = tuple(token for part in parts for token in part)
    ends = tuple(sum(map(len, parts[: number + 1])) for number in range(len(parts)))
    return Worded(f"{place:016x}", group, f"pairs:{place}", ids, (False,) * len(ids), ends=ends, score=score)
