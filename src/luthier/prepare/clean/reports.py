"""What is said about sound texts: scores, outliers, and signs of planted text. Nothing here removes a row."""

from collections.abc import Sequence
from dataclasses import dataclass

from luthier.prepare.clean.outliers import meaning_outliers
from luthier.prepare.clean.poison import Order, Trigger, find_orders, find_triggers
from luthier.prepare.clean.quality import GOPHER, Distribution, beyond_bounds, distributions, quality_scores
from luthier.prepare.clean.relevance import domain_words, relevance
from luthier.prepare.clean.texts import CleanInput
from luthier.prepare.clean.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class Reports:
    """Findings about kept rows; ids lead to them."""

    scores: Sequence[Distribution]
    web_filters: int
    """Rows that Gopher's filters for web pages would have deleted."""
    outliers: Sequence[tuple[str, float, float]]
    """Row id, mean cosine distance to the nearest 10 rows, robust z; farthest first."""
    orders: Sequence[Order]
    triggers: Sequence[Trigger]


def report_on(texts: Sequence[CleanInput], *, thresholds: Thresholds) -> Reports:
    """Score kept texts; an example is scored by its question and answer together."""
    ordered = sorted(texts, key=lambda one: one.id)
    ids = [one.id for one in ordered]
    whole = [_whole(one) for one in ordered]
    scores = [quality_scores(text) for text in whole]
    return Reports(
        scores=distributions(ids, scores, z=thresholds.outlier_z, samples=thresholds.samples),
        web_filters=sum(beyond_bounds(one, names=GOPHER) for one in scores),
        outliers=meaning_outliers(
            dict(zip(ids, whole, strict=True)), share=thresholds.outliers, z=thresholds.outlier_z
        ),
        orders=find_orders(ordered),
        triggers=find_triggers(ordered),
    )


def relevances(texts: Sequence[CleanInput], *, domain: str) -> dict[str, float]:
    """Row id -> relevance of every row outside the source that stands for the domain (see `relevance`)."""
    inside = [_whole(one) for one in texts if one.source == domain]
    others = [one for one in texts if one.source != domain]
    words = domain_words(inside, map(_whole, others))
    return {one.id: relevance(_whole(one), words=words) for one in others}


def _whole(one: CleanInput) -> str:
    return one.text if one.answer is None else f"{one.text}\n{one.answer}"
