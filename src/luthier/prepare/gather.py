"""From the corpus to mended, distinct examples in groups."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from luthier.artifacts.folders import CorpusDir
from luthier.artifacts.documents import read_documents
from luthier.artifacts.rows import read_examples
from luthier.errors import UserError
from luthier.objectives import Objective
from luthier.prepare.candidate import DUPLICATE, Books, Candidate, Usable, candidate, place_of
from luthier.prepare.chunk import Chunk, cut
from luthier.prepare.clean.repair import repair
from luthier.prepare.clean.rules import reason_to_drop
from luthier.prepare.convert import convert
from luthier.prepare.dedup.exact import merge_exact
from luthier.prepare.split.groups import Group, find_groups
from luthier.records import Document, Example, Listener, Origin, Span, Text, Tick


@dataclass(frozen=True, slots=True)
class Gathered:
    """Distinct examples and their groups."""

    examples: int
    """Examples of the corpus, before anything left."""
    kept: list[Candidate]
    conflicts: frozenset[str]
    groups: list[Group]
    grouped_by: str
    without_value: int
    edits: dict[str, int]


def gather(
    corpus: CorpusDir, *, objective: Objective, group_by: str | None, books: Books, listener: Listener
) -> Gathered:
    """Read, convert, mend, judge, merge and group; what leaves goes to the books. UserError if too little is left."""
    examples = read_corpus(corpus, whole=objective.record != "text")
    listener(Tick("prepare", 0, len(examples), "reading"))
    edits: Counter[str] = Counter(questions=0, answers=0)
    usable = _judge(convert(examples, objective=objective, books=books), edits, books)
    candidates = [candidate(example) for example in usable]
    merged = merge_exact(candidates)
    if len(merged.kept) == 1 and merged.copies:
        raise UserError(
            f"all {len(candidates)} examples say the same as {merged.kept[0].at}: there is nothing to tell apart. "
            "Add other examples, or check that collect.columns names the right columns."
        )
    grouping = find_groups(candidates, group_by=group_by)
    books.drop_candidates(merged.copies, rule=DUPLICATE)
    return Gathered(
        examples=len(examples),
        kept=merged.kept,
        conflicts=merged.conflicts,
        groups=_without(grouping.groups, {one.id for one in merged.copies}),
        grouped_by=grouping.by,
        without_value=grouping.without_value,
        edits=dict(edits),
    )


def read_corpus(corpus: CorpusDir, *, whole: bool) -> list[Example]:
    """Every example in order of place; documents as one text each (`whole`), or as one text per chunk."""
    examples = list(read_examples(corpus.file("examples.parquet")))
    for document in read_documents(corpus.file("documents.parquet")):
        examples += [text_of_document(document)] if whole else texts_of_chunks(document)
    return sorted(examples, key=place_of)


def text_of_document(document: Document) -> Text:
    """A document as one text."""
    span = Span(document.id, 0, len(document.text.encode()))
    return Text(text=document.text, origin=_origin(document, Chunk(span, (), document.text, "prose"), at=document.file))


def texts_of_chunks(document: Document) -> list[Text]:
    """A document as one text per chunk, each with the span it was cut from."""
    raw = document.text.encode()
    places = [(len(document.text[:offset].encode()), place) for offset, place in document.anchors]
    texts = []
    for chunk in cut(document):
        place = next((place for start, place in reversed(places) if start <= chunk.span.start), None)
        line = raw.count(b"\n", 0, chunk.span.start) + 1
        at = f"{document.file}:{line}" if place is None else f"{document.file} {place}"
        texts.append(Text(text=chunk.text, origin=_origin(document, chunk, at=at)))
    return texts


def _origin(document: Document, chunk: Chunk, *, at: str) -> Origin:
    columns = {**document.meta, "title": document.title, "heading": " > ".join(chunk.path)}
    if document.thread is not None:
        columns["thread"] = document.thread
    return Origin(at=at, file=document.file, columns=columns, spans=(chunk.span,))


def _judge(examples: Sequence[Usable], edits: Counter[str], books: Books) -> list[Usable]:
    kept = []
    for example in examples:
        mended, question, answer = repair(example)
        edits["questions"] += question
        edits["answers"] += answer
        reason = None if isinstance(mended, Text) else reason_to_drop(mended)
        if reason is None:
            kept.append(mended)
        else:
            books.drop(example, rule=reason)
    if not kept:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in sorted(books.counts.items()))
        raise UserError(f"no usable example is left: {reasons}. Check that collect.columns names the right columns.")
    return kept


def _without(groups: Sequence[Group], copies: set[str]) -> list[Group]:
    """Groups without merged copies. The copies' values still count: what they connected stays connected."""
    left = []
    for group in groups:
        members = tuple(member for member in group.members if member not in copies)
        if members:
            left.append(Group(name=group.name, atoms=group.atoms, members=members))
    return left
