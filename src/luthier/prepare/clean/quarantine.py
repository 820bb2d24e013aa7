"""Who leaves by which rule: quarantine, never deletion, and no rule takes more than its share of a source."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from luthier.artifacts.canonical import hash_order
from luthier.prepare.clean.texts import Applied, CleanInput, Dropped, Sample
from luthier.prepare.clean.thresholds import SELECTIVE, Rule, Thresholds

FEW_ROWS, LARGEST_SHARE = 3, 0.5
"""A rule may always take this many rows of a source, if they are at most this share of its rows and of its bytes: in
a small source one broken row is more than any cap."""
EXCERPT = 300
"""Characters of a sample."""
ORDER: tuple[Rule, ...] = get_args(Rule)


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule that fired on a row."""

    rule: Rule
    score: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one rule wants from one source."""

    rule: Rule
    source: str
    rows: Sequence[tuple[CleanInput, float]]
    """Rows and their scores."""
    share: float
    """Of the source's bytes, 0 to 1."""
    is_few: bool = False
    """True if it wants so few rows that no cap holds it."""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Rows that left, and the rules that fired."""

    dropped: list[Dropped]
    applied: list[Applied]


def quarantine(
    texts: Sequence[CleanInput], *, faults: Mapping[str, Sequence[Fault]], thresholds: Thresholds
) -> Quarantine:
    """Drop each row by the first of its faults that may act; faults of a row are in the order of `Rule`."""
    rows: dict[tuple[Rule, str], list[tuple[CleanInput, float]]] = defaultdict(list)
    for one in texts:
        for fault in faults.get(one.id, ()):
            rows[fault.rule, one.source].append((one, fault.score))
    total, of = source_bytes(texts), Counter(one.source for one in texts)
    wanted = [
        _wanted(rule, source, found, rows=of[source], size=total[source]) for (rule, source), found in rows.items()
    ]
    held = {(one.rule, one.source): held_back(one, rows=len(texts), thresholds=thresholds) for one in wanted}
    dropped: list[Dropped] = []
    taken: Counter[tuple[Rule, str]] = Counter()
    for one in texts:
        acting = [fault for fault in faults.get(one.id, ()) if held[fault.rule, one.source] is None]
        for fault in acting[:1]:
            dropped.append(Dropped(one.id, fault.rule, score=fault.score, note=fault.note))
            taken[fault.rule, one.source] += 1
    applied = [
        apply(one, held=held[one.rule, one.source], taken=taken[one.rule, one.source], thresholds=thresholds)
        for one in wanted
    ]
    return Quarantine(dropped, applied)


def held_back(wanted: Wanted, *, rows: int, thresholds: Thresholds) -> str | None:
    """Why a rule may not act on a source, in words, or None; `rows` is the size of the whole corpus."""
    if wanted.rule in thresholds.keep:
        return "switched off"
    if wanted.rule in thresholds.accept:
        return None
    if wanted.rule in SELECTIVE and rows < thresholds.select_from:
        return f"{rows:,} rows are too few to select from (under {thresholds.select_from:,} only broken rows go)"
    if wanted.share > thresholds.cap and not wanted.is_few:
        return f"it wants {wanted.share:.1%} of the source, more than {thresholds.cap:.0%}: it may have misread it"
    return None


def _wanted(rule: Rule, source: str, found: Sequence[tuple[CleanInput, float]], *, rows: int, size: int) -> Wanted:
    share = sum(one.size for one, _ in found) / max(1, size)
    is_few = len(found) <= FEW_ROWS and max(share, len(found) / rows) <= LARGEST_SHARE
    return Wanted(rule, source, found, share=share, is_few=is_few)


def apply(wanted: Wanted, *, held: str | None, taken: int, thresholds: Thresholds) -> Applied:
    """The account of one rule and source, with samples by smallest hash of the row id."""
    chosen = sorted(wanted.rows, key=lambda row: hash_order(row[0].id))
    if held is None:
        setting = f"prepare.clean.keep: [{wanted.rule}]"
    elif wanted.rule in thresholds.keep:
        setting = f"prepare.clean.keep without '{wanted.rule}'"
    else:
        setting = f"prepare.clean.accept: [{wanted.rule}]"
    return Applied(
        rule=wanted.rule,
        source=wanted.source,
        wanted=len(wanted.rows),
        taken=taken,
        share=wanted.share,
        held=held,
        setting=setting,
        samples=[Sample(one.id, score, _excerpt(one)) for one, score in chosen[: thresholds.samples]],
    )


def in_order(applied: Iterable[Applied]) -> list[Applied]:
    """By rule, then source."""
    return sorted(applied, key=lambda one: (ORDER.index(one.rule), one.source))


def source_bytes(texts: Iterable[CleanInput]) -> Counter[str]:
    """UTF-8 bytes of every source."""
    total: Counter[str] = Counter()
    for one in texts:
        total[one.source] += one.size
    return total


def _excerpt(one: CleanInput) -> str:
    if one.answer is None:
        return one.text[:EXCERPT]
    half = EXCERPT // 2
    return f"{one.text[:half]}\n-> {one.answer if len(one.answer) <= half else '...' + one.answer[-half:]}"
