"""What makers of questions are given, and what they propose before anybody judged it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from luthier.artifacts.canonical import hash_order
from luthier.prepare.exam.passage import Passage, Rarity
from luthier.records import Claim

CHOICES = 4
WRONG = CHOICES - 1
SPARE = 3 * WRONG
"""Wrong answers that are kept, so that some can be replaced."""
CONTEXT = 800
"""Characters of the text before a question that are shown, from the start of a sentence."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, the right answer, and what may stand beside it."""

    passage: Passage
    task: str
    family: str
    """Name of the pattern it is worded by; training never uses one of these."""
    prompt: str
    gold: str
    start: int
    """Characters [start, end) of the passage that hold the answer."""
    end: int
    wrong: tuple[str, ...] = ()
    """Answers that are wrong, best first; the first three are shown. Empty: the answer is written freely."""

    @property
    def options(self) -> tuple[str, ...]:
        """The answers to choose from, in the order of the alphabet, so that the place tells nothing; empty if free."""
        return tuple(sorted((self.gold, *self.wrong[:WRONG]))) if self.wrong else ()

    def with_others(self) -> "Question | None":
        """The same question with the next wrong answers; None if too few are left."""
        rest = self.wrong[WRONG:]
        return replace(self, wrong=rest) if len(rest) >= WRONG else None


@dataclass(frozen=True, slots=True)
class Material:
    """Documents that are asked about under one claim. Wrong answers come from them too: training saw all or none."""

    passages: Sequence[Passage]
    rarity: Rarity
    """Over all documents, trained or not."""
    claim: Claim
    most: int
    """Questions to propose from one document for one task."""

    def shown(self, passage: Passage, start: int, place: int) -> str:
        """What stands before a place in a sentence that begins at `start`: under its title the text before it too,
        or the sentence alone where the document is not to be shown. No space at the end.
        """
        first = start
        if self.claim == "SKILL":
            earliest = max(0, place - CONTEXT)
            starts = [each for each, _end in passage.sentences if earliest <= each < place]
            first = 0 if earliest == 0 else min(starts, default=earliest)
        said = passage.text[first:place].rstrip()
        return f"{passage.title}\n\n{said}" if passage.title else said

    def few(self, sites: Iterable["Site"]) -> list["Site"]:
        """Not more sites of one document than are proposed, drawn by hash, in the order of the documents."""
        by_document: dict[str, list[Site]] = {}
        for site in sites:
            by_document.setdefault(site.passage.document, []).append(site)
        chosen: list[Site] = []
        for found in by_document.values():
            chosen += sorted(found, key=lambda one: hash_order(f"{one.passage.id}:{one.start}"))[: self.most]
        return chosen


@dataclass(frozen=True, slots=True)
class Site:
    """Characters [start, end) of a passage that a question may be about, and where their sentence begins."""

    passage: Passage
    sentence: int
    start: int
    end: int

    @property
    def text(self) -> str:
        """What stands there."""
        return self.passage.text[self.start : self.end]


Maker = Callable[[Material], Iterator[Question]]
