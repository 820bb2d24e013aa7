"""What a person should look at before training: reported, never acted on, but for conflicts, which leave the exam."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from luthier.prepare.candidate import Candidate, turns_of, words_of
from luthier.prepare.clean.config import CleanConfig
from luthier.prepare.clean.outliers import meaning_outliers
from luthier.prepare.clean.poison import Order, Trigger, find_orders, find_triggers
from luthier.prepare.clean.quality import Distribution, distributions, quality_scores
from luthier.prepare.clean.relevance import domain_words, relevance
from luthier.prepare.clean.texts import CleanInput
from luthier.prepare.dedup.candidates import LINKS
from luthier.prepare.dedup.meaning import alike_in_meaning
from luthier.prepare.dedup.signature import are_near
from luthier.prepare.gather import Gathered
from luthier.prepare.label.conflicts import Conflict, conflicting, find_conflicts
from luthier.prepare.label.noise import Labelled, Noise, label_noise
from luthier.prepare.leaks import codes_in
from luthier.prepare.treat import row_input
from luthier.records import Chat, Label, Listener, Tick

FEW_ANSWERS, REPEATS = 20, 10
"""Answers are labels if there are at most 20 different ones, or one for ten rows."""
MOST_ALIKE = 20


@dataclass(frozen=True, slots=True)
class Alike:
    """Two rows, by id, that may ask or say the same in other words."""

    left: str
    right: str
    similarity: float
    """Cosine of what they mean (see `dedup/meaning.py`), 0.9 to 1."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Reports on the rows that are kept."""

    orders: Sequence[Order]
    triggers: Sequence[Trigger]
    quality: Sequence[Distribution]
    outliers: Sequence[tuple[str, float, float]]
    """Row id, distance, robust z."""
    relevance: Sequence[tuple[str, float]]
    """Row id and score, least relevant first; empty unless asked for."""
    noise: Noise | None
    """None where answers are no labels."""
    conflicts: Sequence[Conflict]
    alike: Sequence[Alike]
    """Most alike first, at most 20."""


def find(gathered: Gathered, config: CleanConfig, *, listener: Listener) -> Findings:
    """Look at every row that is kept; deterministic, and independent of their order."""
    listener(Tick("prepare", 0, 0, "looking for what a person should see"))
    rows = gathered.kept
    inputs = [row_input(one.id, one.example) for one in rows]
    texts = {one.id: f"{one.text}\n{one.answer or ''}" for one in inputs}
    ids = sorted(texts)
    labelled = _labelled(rows, gathered)
    return Findings(
        orders=find_orders(inputs),
        triggers=find_triggers(inputs),
        quality=distributions(
            ids, [quality_scores(texts[one]) for one in ids], z=config.outlier_z, samples=config.samples
        ),
        outliers=meaning_outliers(texts, share=config.outliers, z=config.outlier_z),
        relevance=_relevance(inputs, source=config.relevance, samples=config.samples) if config.relevance else [],
        noise=label_noise(labelled) if labelled else None,
        conflicts=find_conflicts(labelled, listener=listener) if labelled else [],
        alike=_alike(sorted(rows, key=lambda one: one.id)),
    )


def without_conflicts(gathered: Gathered, findings: Findings) -> Gathered:
    """The same rows, with those marked that nobody can grade."""
    return dataclasses.replace(gathered, conflicts=gathered.conflicts | conflicting(findings.conflicts))


def _alike(rows: Sequence[Candidate]) -> list[Alike]:
    """Rows alike in meaning, without those that are near word for word or differ in a number."""
    found: list[Alike] = []
    for pair in alike_in_meaning([one.question for one in rows]):
        left, right = rows[pair.a], rows[pair.b]
        same_codes = codes_in(left.question) == codes_in(right.question)
        if len(found) < MOST_ALIKE and same_codes and not are_near(left.question, right.question, threshold=LINKS):
            found.append(Alike(left.id, right.id, pair.jaccard))
    return found


def _labelled(rows: Sequence[Candidate], gathered: Gathered) -> list[Labelled]:
    """Rows whose answers recur like labels; none if the answers are free text."""
    # Of two texts, and of several labels, no text of its own tells the label.
    pairs = [(one, turns_of(one.example)) for one in rows if isinstance(one.example, Chat | Label) and not one.parts]
    if any(isinstance(one.example, Label) and len(one.example.labels) != 1 for one, _ in pairs):
        return []
    answers = Counter(words_of(turns[-1]) for _, turns in pairs)
    if not 2 <= len(answers) <= max(FEW_ANSWERS, len(pairs) / REPEATS):
        return []
    group_of = {member: group.name for group in gathered.groups for member in group.members}
    return [Labelled(one.id, one.question, words_of(turns[-1]), group_of[one.id]) for one, turns in pairs]


def _relevance(inputs: Sequence[CleanInput], *, source: str, samples: int) -> list[tuple[str, float]]:
    """Rows of other sources that resemble the domain's source least."""
    ours = [one.text for one in inputs if one.source == source]
    others = [one for one in inputs if one.source != source]
    words = domain_words(ours, [one.text for one in others])
    scored = [(one.id, relevance(one.text, words=words)) for one in others]
    return sorted(scored, key=lambda row: (row[1], row[0]))[:samples]
