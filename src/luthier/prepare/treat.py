"""What is done to a row or document without asking the others: convert, mend, judge, mask."""

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from luthier.artifacts.canonical import sha256_of_file
from luthier.objectives import Objective
from luthier.prepare.candidate import row_id, turns_of
from luthier.prepare.clean.cleaning import Judged, judge
from luthier.prepare.clean.repair import mend, repair
from luthier.prepare.clean.rules import reason_to_drop
from luthier.prepare.clean.texts import CleanInput
from luthier.prepare.clean.thresholds import Thresholds
from luthier.prepare.convert import NOTHING_COMMON, Common, convert
from luthier.prepare.material import Rooted, offsets_of, text_of_document
from luthier.prepare.private.config import PrivateConfig
from luthier.prepare.private.examples import mask_examples
from luthier.prepare.private.mask import Finding, Rules, make_rules, mask_texts
from luthier.prepare.private.pseudonym import PseudonymKey
from luthier.records import Document, Example, Extraction, Pair, Rating, Tags, Text

BATCH = 1_000
"""Rows that are masked together."""
NONE = "none"
"""Stands for the label of a text that has none, and for the entities of a text without any."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides what a row or document becomes; plain, so that it travels to other processes."""

    objective: Objective
    thresholds: Thresholds
    private: PrivateConfig
    secret: PseudonymKey
    home: Path
    """Folder that paths in `private` start from."""
    common: Common = NOTHING_COMMON
    """What is known of all examples together."""

    @property
    def names_digest(self) -> str | None:
        """Digest of the list of names, None if there is none."""
        return None if self.private.names is None else sha256_of_file(self.home / self.private.names)

    def rules(self) -> Rules:
        """What private data is found by; UserError for a list that cannot be read."""
        return make_rules(self.private, key=self.secret, home=self.home)


@dataclass(frozen=True, slots=True)
class Treated:
    """A row or a document, mended and masked."""

    item: Example | Rooted
    findings: tuple[Finding, ...]
    """Private data in it; places are characters of the mended text."""
    judged: Judged | None
    """What is wrong with it; None if it leaves."""
    leaves: str = ""
    """Why nothing can be learnt from it, whatever the others say."""
    edited: tuple[str, ...] = ()
    """What was mended: `questions`, `answers`, `documents`."""

    @property
    def example(self) -> Example:
        """The row, or the document as one text."""
        return text_of_document(self.item.document) if isinstance(self.item, Rooted) else self.item

    @property
    def is_private(self) -> bool:
        """True if it holds a type of private data that is set to drop."""
        return any(finding.action == "drop" for finding in self.findings)


def treat_rows(examples: Iterable[Example], recipe: Recipe, rules: Rules) -> Iterator[Treated]:
    """Treat examples in order."""
    source = iter(examples)
    while batch := list(islice(source, BATCH)):
        started = [_start(example, recipe) for example in batch]
        masked = mask_examples((one.item for one in started if not isinstance(one.item, Rooted)), rules=rules)
        for one, found in zip(started, masked, strict=True):
            yield _with_text_of(found.example, one, tuple(finding for _, finding in found.findings))


def treat_document(document: Document, recipe: Recipe, rules: Rules) -> Treated:
    """Treat one document: its text, its thread and what is known about it are masked."""
    rooted = Rooted(document, document.text)
    mended = mend(document.text)
    if mended.text != document.text:
        rooted = rooted.after(mended.text, mended.offsets)
    judged = judge(document_input(rooted), recipe.thresholds)
    known = rooted.document
    text, thread, *meta = mask_texts([known.text, known.thread or "", *known.meta.values()], rules=rules)
    values = dict(zip(known.meta, (one.text for one in meta), strict=True))
    renamed = dataclasses.replace(known, meta=values, thread=thread.text or None)
    rooted = Rooted(renamed, rooted.extracted, rooted.offsets)
    if text.edits:
        rooted = rooted.after(text.text, offsets_of(text.edits, length=len(known.text)))
    return Treated(
        item=rooted,
        findings=text.findings,
        judged=dataclasses.replace(judged, row=document_input(rooted)),
        edited=("documents",) if mended.text != document.text else (),
    )


def row_input(key: str, row: Example) -> CleanInput:
    """A row for judgement, as its last question and answer; its text was mended with the whole conversation."""
    file = row.origin.file
    match row:
        case Text():
            return CleanInput(id=key, source=file, file=file, text=row.text)
        case Tags():
            named = "; ".join(sorted({one.label for one in row.entities})) or NONE
            return CleanInput(id=key, source=file, file=file, text=row.text, answer=named, is_written=False)
        case Extraction():
            return CleanInput(key, file, file, row.question, answer=row.context, is_written=False)
        case Pair():
            return CleanInput(key, file, file, row.query, answer=row.positive, is_written=False)
        case _:
            turns = turns_of(row)
    asked = next(turn.content for turn in reversed(turns) if turn.role == "user")
    # Not by its arguments: they may well be the question, word for word.
    calls = [f"[calls {call.name}]" for call in turns[-1].tool_calls]
    said = " ".join([turns[-1].content, *calls]).strip()
    is_bad = isinstance(row, Rating) and not row.good
    return CleanInput(key, file, file, asked, answer=said or NONE, is_written=not is_bad)


def document_input(rooted: Rooted) -> CleanInput:
    """A document for judgement; its code and tables stay apart from its prose."""
    document = rooted.document
    fixed = sorted([*document.code, *((grid.start, grid.end) for grid in document.grids)])
    apart = [span for place, span in enumerate(fixed) if place == 0 or span[0] >= fixed[place - 1][1]]
    folder = str(PurePosixPath(document.file).parent)
    return CleanInput(id=document.id, source=folder, file=document.file, text=document.text, fixed=tuple(apart))


def _start(example: Example, recipe: Recipe) -> Treated:
    """A row before it is masked."""
    row = convert(example, recipe.objective, common=recipe.common)
    if isinstance(row, str):
        return Treated(example, (), None, leaves=row)
    mended, question, answer = repair(row)
    edited = tuple(name for name, was in (("questions", question), ("answers", answer)) if was)
    reason = reason_to_drop(mended)
    if reason is not None:
        return Treated(row, (), None, leaves=reason, edited=edited)
    return Treated(mended, (), judge(row_input("", mended), recipe.thresholds), edited=edited)


def _with_text_of(example: Example, one: Treated, findings: tuple[Finding, ...]) -> Treated:
    if one.judged is None:
        return dataclasses.replace(one, item=example, findings=findings)
    judged = dataclasses.replace(one.judged, row=row_input(row_id(example), example))
    return dataclasses.replace(one, item=example, findings=findings, judged=judged)
