"""What a training's curve says in plain words: a pure function from points and circumstances to findings."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Literal

from luthier.records import Worded

Kind = Literal[
    "healthy",
    "under-fit",
    "over-fit",
    "too few data",
    "learning rate too high",
    "labels noisy",
    "rewards alike",
    "validation copied",
    "not validated",
]
FEW = 300
"""Rows below which what is recited is blamed on their number."""
RISE = 1.03
"""Held-out loss over its best from which a model is said to recite."""
BURST = 1.2
"""Loss over where it began from which steps are said to be too long."""
FELL = 0.9
"""Training loss over that around the best step below which it is said to have fallen."""
RECITED, LEARNT = 0.6, 0.85
"""Training loss over held-out loss below which rows are said to be known by heart, and over guessing below which
something was learnt of them."""
BLIND = 0.95
"""Held-out loss over guessing, or over the base's, above which nothing general was learnt."""
STILL_FALLING = 0.15
"""Share of the whole fall that the last quarter of a run made, from which it ended too early."""
ALIKE, EARNED = 0.9, 0.05
"""Share of groups whose answers all earn the same from which grades are said to tell nothing, unless rewards fall short
by less than the second number."""
DOUBTED = 0.1
"""Share of labels that prepare doubts, from which they are called noisy."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was seen, with the numbers it follows from and what to do."""

    kind: Kind
    words: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known besides the curve."""

    rows: int
    """That are learnt from."""
    ended: bool = True
    """False while the run goes on: then only what calls for stopping it is looked for."""
    stopped_early: bool = False
    went_back_at: int | None = None
    guess: float | None = None
    """Nats per unit of whoever knows only how often each answer occurs; None where answers do not repeat."""
    suspects: int = 0
    """Rows whose label prepare doubts."""
    examined: int = 0
    """Rows whose label it looked at."""
    copied: int = 0
    """Validation rows that are training rows, too: left out."""


@dataclass(frozen=True, slots=True)
class _Course:
    """A curve as the rules look at it."""

    steps: Sequence[int]
    losses: Sequence[float]
    """Of each step's rows, before it."""
    totals: Sequence[float]
    """Sums of the losses up to each of them, from none to all."""
    marks: Sequence[int]
    seen: Sequence[float]
    """Held-out loss after each of these steps."""
    base: float | None
    """Held-out loss before the first step."""

    @property
    def width(self) -> int:
        """Steps whose mean stands for the loss around one of them."""
        return max(3, len(self.losses) // 20)

    def around(self, step: int) -> float:
        """Mean loss of the steps up to one."""
        until = max(1, bisect_right(self.steps, step))
        start = max(0, until - self.width)
        return (self.totals[until] - self.totals[start]) / (until - start)

    @property
    def first(self) -> float:
        """Mean loss of the first steps."""
        return self.totals[min(self.width, len(self.losses))] / min(self.width, len(self.losses))

    @property
    def best(self) -> int:
        """Place of the lowest held-out loss."""
        return min(range(len(self.seen)), key=self.seen.__getitem__)


def diagnose(curve: Sequence[Mapping[str, Any]], about: Circumstances) -> tuple[Finding, ...]:
    """Everything that is wrong, or one finding that says that nothing is; empty while nothing can be said yet."""
    course = _course(curve)
    found: list[Finding | None] = [_copied(about, course)]
    if course.losses:
        found += [_too_fast(course, about), _alike(curve, course)]
    if course.losses and course.seen:
        found += [_recites(course)]
    if course.losses and about.ended:
        noisy = _noisy(course, about)
        # More steps on labels that follow from nothing would only be learnt by heart.
        found += [_few(course, about), noisy, None if noisy else _under_fit(course, about), _unseen(course, about)]
    findings = tuple(finding for finding in found if finding is not None)
    return findings or ((_healthy(course),) if about.ended and course.seen else ())


def in_words(findings: Sequence[Finding]) -> str:
    """One line for a terminal."""
    return "; ".join(f"{finding.kind}: {finding.words}" for finding in findings)


def words_of(facts: Mapping[str, Any]) -> str:
    """`in_words` of what a model's manifest keeps; empty where nothing was looked at."""
    return in_words([Finding(**finding) for finding in facts.get("diagnosis", ())])


def guessing(learnt: Sequence[Worded], held_out: Sequence[Worded], *, units: int) -> float | None:
    """Nats per unit of the held-out rows for whoever knows only how often each answer occurs, there and in training.

    None where answers are not whole (pairs, scores, grades) or do not repeat: fewer than four rows for each.
    """
    answers = Counter(map(_answer, [*learnt, *held_out]))
    if None in answers or not held_out or answers.total() < 4 * len(answers):
        return None
    return -sum(math.log(answers[_answer(row)] / answers.total()) for row in held_out) / units


def _answer(row: Worded) -> tuple[int, ...] | None:
    if row.score is not None or row.grading or (row.ends and not row.labels):
        return None
    learnt = tuple(token for token, trained in zip(row.ids, row.trained, strict=True) if trained)
    return row.labels or learnt or None


def _course(curve: Sequence[Mapping[str, Any]]) -> _Course:
    steps = [point for point in curve if point.get("loss") is not None]
    looks = [point for point in curve if point.get("validation_loss") is not None]
    later = [point for point in looks if point["step"] > 0]
    losses = [float(point["loss"]) for point in steps]
    return _Course(
        steps=[int(point["step"]) for point in steps],
        losses=losses,
        totals=list(accumulate(losses, initial=0.0)),
        marks=[int(point["step"]) for point in later],
        seen=[float(point["validation_loss"]) for point in later],
        base=next((float(point["validation_loss"]) for point in looks if point["step"] == 0), None),
    )


def _too_fast(course: _Course, about: Circumstances) -> Finding | None:
    cure = "Lower train.learning_rate, or set it to 'search'."
    if about.went_back_at is not None:
        words = f"training diverged at step {about.went_back_at}"
        return Finding("learning rate too high", f"{words}. {cure}", {"step": about.went_back_at})
    if len(course.losses) < 2 * course.width:
        return None
    averages = {step: course.around(step) for step in course.steps[course.width - 1 :]}
    worst = max(averages, key=averages.__getitem__)
    if averages[worst] > BURST * course.first:
        numbers: dict[str, float] = {"step": worst, "loss": averages[worst], "first_loss": course.first}
        words = f"training loss rose from {course.first:.3g} at the start to {averages[worst]:.3g} around step {worst}"
        return Finding("learning rate too high", f"{words}. {cure}", numbers)
    if course.base is None:
        return None
    for mark, seen in zip(course.marks, course.seen, strict=True):
        if seen > BURST * course.base and course.around(mark) > course.first:
            numbers = {"step": mark, "validation_loss": seen, "base_loss": course.base}
            words = f"held-out loss rose from the base's {course.base:.3g} to {seen:.3g} at step {mark}"
            return Finding("learning rate too high", f"{words}, and training loss did not fall. {cure}", numbers)
    return None


def _recites(course: _Course) -> Finding | None:
    best = course.best
    start, low = course.marks[best], course.seen[best]
    if course.base is not None and course.base < low:
        start, low = 0, course.base
    end, high = course.marks[-1], course.seen[-1]
    before, after = course.around(start) if start else course.first, course.around(end)
    if high < RISE * low or after > FELL * before:
        return None
    numbers = {"best_step": start, "best": low, "step": end, "validation_loss": high, "loss": after}
    return Finding(
        "over-fit",
        f"held-out loss rose from {low:.3g} at step {start} to {high:.3g} at step {end}, while training loss fell from "
        f"{before:.3g} to {after:.3g}: the model learns rows by heart. Lower train.epochs, or bring more examples.",
        numbers,
    )


def _alike(curve: Sequence[Mapping[str, Any]], course: _Course) -> Finding | None:
    """Whether the answers to a prompt nearly always earned the same, so that none could be preferred."""
    shares = [float(point["even_groups"]) for point in curve if point.get("even_groups") is not None][-course.width :]
    share, missed = sum(shares) / max(1, len(shares)), course.around(course.steps[-1])
    if len(shares) < course.width or share < ALIKE or missed < EARNED:
        return None
    words = f"in {100 * share:.0f} % of the groups all answers earned the same, so nothing could be learnt of them"
    cure = "Raise train.reinforce.samples, or add graders that give something for a part of what is wanted."
    return Finding("rewards alike", f"{words}. {cure}", {"even_groups": share, "missed": missed})


def _few(course: _Course, about: Circumstances) -> Finding | None:
    if about.rows >= FEW or not course.seen:
        return None
    end = course.around(course.steps[-1])
    known = end < RECITED * course.seen[-1]
    if not known:
        return None
    numbers = {"rows": about.rows, "loss": end, "validation_loss": course.seen[-1]}
    return Finding(
        "too few data",
        f"after training, the {about.rows} rows cost {end:.3g} and held-out ones {course.seen[-1]:.3g}: there is too "
        f"little to learn a rule from. Bring more examples: {FEW} or more.",
        numbers,
    )


def _noisy(course: _Course, about: Circumstances) -> Finding | None:
    cure = "See that every answer follows from its question."
    if about.guess is not None and course.seen:
        low, end = min(course.seen), course.around(course.steps[-1])
        if low > BLIND * about.guess and end < LEARNT * about.guess:
            numbers = {"best": low, "guess": about.guess, "loss": end}
            words = f"held-out loss never fell below {low:.3g}, and guessing by frequency alone costs {about.guess:.3g}"
            return Finding("labels noisy", f"{words}, while the training rows were learnt by heart. {cure}", numbers)
    if about.examined and about.suspects > DOUBTED * about.examined:
        share = about.suspects / about.examined
        numbers = {"suspects": about.suspects, "examined": about.examined}
        words = f"{about.suspects:,} of {about.examined:,} labels ({share:.0%}) contradict those of similar texts"
        return Finding("labels noisy", f"{words}: see 'labels' on the data sheet. {cure}", numbers)
    return None


def _under_fit(course: _Course, about: Circumstances) -> Finding | None:
    cure = "Raise train.epochs or train.learning_rate."
    end = course.around(course.steps[-1])
    if not course.seen:
        if end < BLIND * course.first or len(course.losses) < 2 * course.width:
            return None
        numbers = {"loss": end, "first_loss": course.first}
        words = f"training loss hardly fell, from {course.first:.3g} to {end:.3g}"
        return Finding("under-fit", f"{words}. {cure}", numbers)
    low = min(course.seen)
    stuck = {"guess": about.guess, "base": course.base}
    for name, level in stuck.items():
        if level is not None and low > BLIND * level and end > LEARNT * level:
            what = {"guess": "guessing by frequency alone", "base": "the untrained model"}[name]
            numbers = {"best": low, name: level, "loss": end}
            words = f"held-out loss came to {low:.3g}, and {what} has {level:.3g}: hardly anything was learnt"
            return Finding("under-fit", f"{words}. {cure} Or the answers do not follow from the questions.", numbers)
    return _unfinished(course, about, cure)


def _unfinished(course: _Course, about: Circumstances, cure: str) -> Finding | None:
    """Whether the run ended while validation was still falling fast."""
    if course.base is None or about.stopped_early or course.best != len(course.seen) - 1:
        return None
    later = [seen for mark, seen in zip(course.marks, course.seen, strict=True) if mark <= 0.75 * course.marks[-1]]
    before, low = later[-1] if later else course.base, course.seen[-1]
    if before - low < STILL_FALLING * (course.base - low) or course.base <= low:
        return None
    numbers = {"step": course.marks[-1], "validation_loss": low, "before": before, "base": course.base}
    words = (
        f"in the last quarter held-out loss still fell from {before:.3g} to {low:.3g}, of {course.base:.3g} at first"
    )
    return Finding("under-fit", f"{words}: the run ended too early. {cure}", numbers)


def _copied(about: Circumstances, course: _Course) -> Finding | None:
    if not about.copied:
        return None
    left = "the others decided" if course.seen else "none is left, so nothing could tell learning from reciting"
    words = f"{about.copied:,} validation rows are training rows as well and were left out; {left}"
    cure = "Hold out rows that are not trained on: see prepare.split."
    return Finding("validation copied", f"{words}. {cure}", {"copied": about.copied})


def _unseen(course: _Course, about: Circumstances) -> Finding | None:
    if course.seen or about.copied:
        return None
    words = "there are no validation rows, so nothing tells learning from reciting. Raise prepare.split.validation."
    return Finding("not validated", words)


def _healthy(course: _Course) -> Finding:
    low, mark = course.seen[course.best], course.marks[course.best]
    base = "" if course.base is None else f" from {course.base:.3g}"
    numbers = {"best_step": mark, "best": low} | ({} if course.base is None else {"base": course.base})
    return Finding("healthy", f"held-out loss fell{base} to {low:.3g} at step {mark}", numbers)
