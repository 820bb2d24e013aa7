"""Material through cleaning and masking: what leaves goes to the books, what is edited keeps the way back."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from luthier.prepare.candidate import Books, Usable, row_id, turns_of
from luthier.prepare.clean.cleaning import clean_texts
from luthier.prepare.clean.repair import repair
from luthier.prepare.clean.rules import reason_to_drop
from luthier.prepare.clean.texts import Cleaned, CleanInput
from luthier.prepare.clean.thresholds import Thresholds
from luthier.prepare.material import Material, Rooted, offsets_of, text_of_document
from luthier.prepare.private.examples import mask_examples
from luthier.prepare.private.mask import Finding, Masked, Rules, mask_texts
from luthier.records import Chat, Label, Listener, Text, Tick

PRIVATE = "private data of a type that is set to drop"
EVERY = 500
"""Rows between two words of progress."""


@dataclass(frozen=True, slots=True)
class Spotted:
    """A finding and the place of the row or document it was found in."""

    at: str
    finding: Finding


@dataclass(slots=True)
class Refined:
    """What is left, and what was done."""

    material: Material
    cleaned: Cleaned
    edits: dict[str, int]
    spotted: list[Spotted] = field(default_factory=list)


def refine(material: Material, *, thresholds: Thresholds, rules: Rules, books: Books, listener: Listener) -> Refined:
    """Mend, clean, then mask. Masking comes last because it must see mended text, and before anything is compared."""
    edits: Counter[str] = Counter(questions=0, answers=0)
    rows = _mended(material.rows, edits, books)
    refined = _clean(Material(rows, material.documents), thresholds, books, listener)
    refined.edits |= edits
    _mask(refined, rules, books, listener)
    return refined


def _mended(rows: Sequence[Usable], edits: Counter[str], books: Books) -> list[Usable]:
    kept = []
    for row in rows:
        mended, question, answer = repair(row)
        edits["questions"] += question
        edits["answers"] += answer
        reason = None if isinstance(mended, Text) else reason_to_drop(mended)
        if reason is None:
            kept.append(mended)
        else:
            books.drop(row, rule=reason)
    return kept


def _clean(material: Material, thresholds: Thresholds, books: Books, listener: Listener) -> Refined:
    rows = {row_id(row): row for row in material.rows}
    assert len(rows) == len(material.rows), "two rows have one place and one content"
    documents = {rooted.document.id: rooted for rooted in material.documents}
    inputs = [row_input(key, row) for key, row in rows.items()]
    inputs += [_document_input(rooted) for rooted in material.documents]
    cleaned = clean_texts(inputs, thresholds=thresholds, listener=listener)
    for gone in cleaned.dropped:
        example = rows[gone.id] if gone.id in rows else text_of_document(documents[gone.id].document)
        books.drop(example, rule=gone.rule, row_id=gone.id, score=gone.score)
    kept_rows: list[Usable] = []
    kept_documents: list[Rooted] = []
    for one in cleaned.kept:
        if one.id in rows:
            kept_rows.append(rows[one.id])
        elif one.id in cleaned.edits:
            kept_documents.append(documents[one.id].after(one.text, cleaned.edits[one.id]))
        else:
            kept_documents.append(documents[one.id])
    return Refined(Material(kept_rows, kept_documents), cleaned, {"documents": len(cleaned.edits)})


def row_input(key: str, row: Usable) -> CleanInput:
    """A row for judgement, as its last question and answer; its text was mended with the whole conversation."""
    file = row.origin.file
    if isinstance(row, Text):
        return CleanInput(id=key, source=file, file=file, text=row.text)
    turns = turns_of(row)
    asked = next(turn.content for turn in reversed(turns) if turn.role == "user")
    return CleanInput(id=key, source=file, file=file, text=asked, answer=turns[-1].content)


def _document_input(rooted: Rooted) -> CleanInput:
    document = rooted.document
    fixed = sorted([*document.code, *((grid.start, grid.end) for grid in document.grids)])
    apart = [span for place, span in enumerate(fixed) if place == 0 or span[0] >= fixed[place - 1][1]]
    folder = str(PurePosixPath(document.file).parent)
    return CleanInput(id=document.id, source=folder, file=document.file, text=document.text, fixed=tuple(apart))


def _mask(refined: Refined, rules: Rules, books: Books, listener: Listener) -> None:
    material = refined.material
    total = len(material.rows) + len(material.documents)
    rows: list[Usable] = []
    for done, masked in enumerate(mask_examples(material.rows, rules=rules)):
        if done % EVERY == 0:
            listener(Tick("prepare", done, total, "private data"))
        row = masked.example
        assert isinstance(row, Chat | Label | Text)
        refined.spotted += [Spotted(row.origin.at, finding) for _, finding in masked.findings]
        if masked.drop:
            books.drop(row, rule=PRIVATE)
        else:
            rows.append(row)
    documents: list[Rooted] = []
    for done, rooted in enumerate(material.documents, start=len(material.rows)):
        listener(Tick("prepare", done, total, "private data"))
        text, rooted = _masked_document(rooted, rules)
        refined.spotted += [Spotted(rooted.document.file, finding) for finding in text.findings]
        if text.drop:
            books.drop(text_of_document(rooted.document), rule=PRIVATE)
        else:
            documents.append(rooted)
    refined.material = Material(rows, documents)


def _masked_document(rooted: Rooted, rules: Rules) -> tuple[Masked, Rooted]:
    """The document with masked text, thread and meta data, and what was found in its text."""
    document = rooted.document
    text, thread, *meta = mask_texts([document.text, document.thread or "", *document.meta.values()], rules=rules)
    values = dict(zip(document.meta, (one.text for one in meta), strict=True))
    known = dataclasses.replace(document, meta=values, thread=thread.text or None)
    rooted = Rooted(known, rooted.extracted, rooted.offsets)
    if text.edits:
        rooted = rooted.after(text.text, offsets_of(text.edits, length=len(document.text)))
    return text, rooted
