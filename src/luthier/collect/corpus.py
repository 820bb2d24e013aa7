"""Every file, row and document to an example, a document or a reason."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import luthier
from luthier.artifacts.rows import KINDS
from luthier.collect.confine import Reply, Workers
from luthier.collect.formats.check import BadRowError
from luthier.collect.formats.detect import Fit, Hints, NoFormatError, columns_of, detect, make_example
from luthier.collect.intake import Intake, Item
from luthier.collect.kinds import CONTAINERS
from luthier.collect.ledger import OUTCOMES, Entry, Outcome, Refused
from luthier.collect.registry import DOCUMENT_READERS, READERS, ROW_READERS, row_formats
from luthier.collect.tables import Drawing, Items, Table, find_tables, refusal, table_of
from luthier.collect.wire import WireError
from luthier.records import (
    Chat,
    Document,
    Example,
    Extraction,
    Graded,
    Label,
    Message,
    Pair,
    Preference,
    Rating,
    Reject,
    Tags,
    Text,
)

READERS_HOME = "luthier.collect.readers."
SHOWN_REASONS = 3


@dataclass(slots=True)
class Corpus:
    """The account of what was read."""

    refused: Refused
    entries: list[Entry] = field(default_factory=list)
    fits: dict[str, Fit] = field(default_factory=dict)
    """Table -> how it was understood."""
    columns: dict[str, None] = field(default_factory=dict)
    """Every column seen, in order of first appearance."""
    kinds: Counter[str] = field(default_factory=Counter)
    """Kind of example -> how many."""
    documents: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    """File -> how long its worker took."""
    missing_walls: set[str] = field(default_factory=set)
    """What this machine could not confine the workers with."""

    def counts(self) -> dict[str, Any]:
        """Numbers for the manifest; that they balance is asserted here."""
        outcomes = Counter(entry.outcome for entry in self.entries)
        rows, left_out = (sum(getattr(entry, name) for entry in self.entries) for name in ("rows", "left_out"))
        rows_left_out = sum(entry.left_out for entry in self.entries if entry.rows)
        assert sum(outcomes[name] for name in OUTCOMES) == len(self.entries)
        assert rows == self.kinds.total() + self.refused.count + rows_left_out
        assert self.refused.count == sum(entry.rejects for entry in self.entries)
        assert self.documents == sum(entry.documents for entry in self.entries)
        return {
            "files": {"seen": len(self.entries)} | {name: outcomes[name] for name in OUTCOMES},
            "rows": {"read": rows, "examples": self.kinds.total(), "rejects": self.refused.count},
            "left_out": left_out,
            "documents": self.documents,
            "examples": {kind: self.kinds[kind] for kind in KINDS.values()},
            "bytes": {"counted": self.bytes_counted, "lost": self.bytes_lost},
        }

    @property
    def bytes_counted(self) -> int:
        """Bytes of all files that should have been read."""
        return sum(entry.bytes_counted for entry in self._standing())

    @property
    def bytes_lost(self) -> int:
        """Bytes that could not be read."""
        return sum(entry.bytes_lost for entry in self._standing())

    def _standing(self) -> Iterator[Entry]:
        """The files but for those in archives that failed, which stand for them."""
        inside = 0
        for entry in self.entries:
            if inside:
                inside += entry.members - 1
            else:
                inside = entry.members if entry.is_lost else 0
                yield entry


@dataclass(slots=True)
class Tally:
    """What one file gave."""

    has_tables: bool = False
    rows: int = 0
    rejects: int = 0
    left_out: int = 0
    copies: int = 0
    """Documents that stand in an earlier file too."""
    examples: int = 0
    documents: int = 0
    members: int = 0
    characters: int = 0
    grids: int = 0
    pages: Counter[str] = field(default_factory=Counter)
    coverage: float | None = None
    notes: list[str] = field(default_factory=list)
    reader: str = ""

    def add(self, document: Document) -> None:
        """Count a document."""
        self.characters += len(document.text)
        self.grids += len(document.grids)
        self.pages.update(page.state for page in document.pages)
        measured = [page.coverage for page in document.pages if page.state in {"read", "plain"}]
        self.coverage = min([*measured, *([] if self.coverage is None else [self.coverage])], default=None)
        # In other kinds `meta` holds what the author wrote, as in front matter.
        if document.kind == "pdf" and "partial" in document.meta:
            self.notes.append(document.meta["partial"])


class Collector:
    """Turns the replies of workers into examples and documents, and keeps the account in `corpus`."""

    def __init__(
        self, workers: Workers, *, hints: Hints, seed: int, keep: Callable[[Document], None], refused: Refused
    ) -> None:
        """`hints` as in `detect`; `seed` draws samples; `keep` takes each document, `refused` each row."""
        self.corpus = Corpus(refused)
        self._workers = workers
        self._intake = Intake(workers)
        self._hints, self._seed = hints, seed
        self._keep = keep
        self._formats = row_formats()
        self._documents: set[bytes] = set()

    def examples(self, items: Iterable[Item]) -> Iterator[Example]:
        """The examples of all files, in order. UserError if a table's columns fit no format."""
        for item, reply in self._intake.replies(items):
            tally = Tally()
            place = len(self.corpus.entries)
            self.corpus.entries.append(Entry(item.name, 0, "", "", "", "failed"))
            try:
                if reply is not None and is_readable(reply):
                    yield from self._read(item, reply, tally)
                inside = self.corpus.entries[place + 1 :]
                self.corpus.entries[place] = entry = self._entry(item, reply, tally, inside)
                if _can_be_copied(entry, reply, inside):
                    self._intake.keep(item)
            finally:
                self._close(item, reply)

    def _read(self, item: Item, reply: Reply, tally: Tally) -> Iterator[Example]:
        kind = reply.identity.type
        try:
            if kind in ROW_READERS:
                yield from self._read_rows(item, reply, tally)
            elif kind in DOCUMENT_READERS:
                self._read_documents(item, reply, tally)
        except WireError as error:
            reply.problem = str(error)
            return
        members = self._intake.members(item, reply)
        yield from self.examples(_counted(members, tally))

    def _read_rows(self, item: Item, reply: Reply, tally: Tally) -> Iterator[Example]:
        drawing = Drawing(item.sample, seed=self._seed)
        items = drawing.over(reply.rows)
        # Every row is decoded here once before the first is used: of a worker that sends nonsense nothing is kept.
        tables = find_tables(items)
        if any(table.name != item.name and not table.name.startswith(f"{item.name}!") for table in tables):
            raise WireError("the reader sent rows of another file")
        fits = {table.name: fit for table in tables if table.sample and (fit := self._fit(table, reply)) is not None}
        if not fits and any(table.sample for table in tables):
            self._read_as_document(item, reply, tally)
            return
        unfit = next((table for table in tables if table.sample and table.name not in fits), None)
        if unfit is not None:
            detect(unfit.name, unfit.sample, formats=self._formats, hints=self._hints)
        tally.has_tables = bool(tables)
        tally.left_out = drawing.left_out
        tally.rows = drawing.left_out
        self._note(fits, tables)
        yield from self._make_examples(items, fits, item.name, tally)

    def _fit(self, table: Table, reply: Reply) -> Fit | None:
        """How a table is understood; None for a sheet that may be prose. UserError for any other."""
        try:
            return detect(table.name, table.sample, formats=self._formats, hints=self._hints)
        except NoFormatError:
            if reply.identity.type in DOCUMENT_READERS and self._hints.format == "auto":
                return None
            raise

    def _note(self, fits: Mapping[str, Fit], tables: Iterable[Table]) -> None:
        self.corpus.fits |= fits
        for table in tables:
            columns = columns_of(table.sample) if table.sample else []
            self.corpus.columns |= dict.fromkeys(columns)

    def _make_examples(self, items: Items, fits: Mapping[str, Fit], file: str, tally: Tally) -> Iterator[Example]:
        for row in items():
            tally.rows += 1
            table = table_of(row)
            if isinstance(row, Reject):
                self._refuse(row, tally)
                continue
            try:
                example = make_example(row, fits[table], file=file)
            except BadRowError as error:
                self._refuse(refusal(row, str(error)), tally)
                continue
            tally.examples += 1
            tally.characters += characters(example)
            self.corpus.kinds[KINDS[type(example)]] += 1
            yield example

    def _refuse(self, row: Reject, tally: Tally) -> None:
        tally.rejects += 1
        self.corpus.refused.add(row)

    def _read_as_document(self, item: Item, reply: Reply, tally: Tally) -> None:
        second = self._workers.read(item.job(as_document=True))
        reply.problem = second.problem
        tally.reader = DOCUMENT_READERS[reply.identity.type]
        if not second.problem:
            self._read_documents(item, second, tally)
        second.close()

    def _read_documents(self, item: Item, reply: Reply, tally: Tally) -> None:
        drawing = Drawing(item.sample, seed=self._seed)
        documents = drawing.over(reply.documents)
        # As with rows: all are decoded before the first is kept.
        number = sum(1 for _ in documents())
        for document in documents():
            own = item.sha256 if number == 1 and not drawing.left_out else document.id
            if bytes.fromhex(own) in self._documents:
                tally.copies += 1
                continue
            tally.add(document)
            if document.text.strip():
                self._documents.add(bytes.fromhex(own))
                self._keep(replace(document, id=own, file=item.name))
                tally.documents += 1
        tally.left_out = drawing.left_out
        self.corpus.documents += tally.documents

    def _entry(self, item: Item, reply: Reply | None, tally: Tally, inside: Sequence[Entry]) -> Entry:
        outcome, reason = self._outcome(item, reply, tally, inside)
        kind = reply.identity.type if reply is not None else ""
        reader = tally.reader or READERS.get(kind, "")
        note = reply.identity.note if reply is not None and outcome != "unsupported" else ""
        return Entry(
            path=item.name,
            size=item.size,
            sha256=item.sha256,
            type=kind,
            reader=f"{reader.removeprefix(READERS_HOME)}@{luthier.__version__}" if reader else "",
            outcome=outcome,
            reason="; ".join(filter(None, [note, reason])),
            rows=tally.rows,
            rejects=tally.rejects,
            left_out=tally.left_out,
            documents=tally.documents,
            members=tally.members,
            characters=tally.characters,
            pages_read=tally.pages["read"],
            pages_scanned=tally.pages["scanned"] + tally.pages["bad text layer"],
            pages_plain=tally.pages["plain"],
            tables=tally.grids,
            coverage=tally.coverage,
        )

    def _outcome(self, item: Item, reply: Reply | None, tally: Tally, inside: Sequence[Entry]) -> tuple[Outcome, str]:
        if item.settled is not None:
            return item.settled
        if item.copy_of is not None:
            return "copy", f"same bytes as {item.copy_of}"
        assert reply is not None
        if reply.identity.type in CONTAINERS and not reply.identity.problem:
            return outcome_of_archive(reply, inside, too_deep=item.too_deep)
        return outcome_of(reply, tally)

    def _close(self, item: Item, reply: Reply | None) -> None:
        item.close()
        if reply is not None:
            self.corpus.seconds[item.name] = round(reply.seconds, 3)
            self.corpus.missing_walls |= set(reply.missing)
            reply.close()


def _can_be_copied(entry: Entry, reply: Reply | None, inside: Sequence[Entry]) -> bool:
    """True if nothing is lost when files of the same bytes are not read: elsewhere, or named otherwise, more may be."""
    is_whole = reply is not None and not reply.problem and all(one.outcome != "failed" for one in inside)
    return is_whole and entry.outcome in {"ok", "partial", "scanned"}


def is_readable(reply: Reply) -> bool:
    """True if a reader knows the file's type and did not give up on it."""
    known = reply.identity.type in READERS or reply.identity.type in CONTAINERS
    return known and not reply.problem and not reply.identity.problem


def outcome_of_archive(reply: Reply, inside: Sequence[Entry], *, too_deep: str) -> tuple[Outcome, str]:
    """Outcome and reason of an archive; `inside`: what became of its files and of what lies in those."""
    if too_deep:
        return "failed", too_deep
    reasons = [entry.reason for entry in inside if entry.outcome == "failed" and not entry.members]
    if reasons and all(entry.outcome in {"failed", "skipped"} for entry in inside):
        told = "; ".join(list(dict.fromkeys(filter(None, [reply.problem, *reasons])))[:SHOWN_REASONS])
        return "failed", f"nothing in it can be read: {told}"
    if reply.problem:
        return ("partial" if inside else "failed"), reply.problem
    return ("ok", "") if inside else ("empty", "no files in it")


def outcome_of(reply: Reply, tally: Tally) -> tuple[Outcome, str]:
    """Outcome and reason of any other file that a worker saw."""
    identity = reply.identity
    if identity.problem:
        return ("failed" if identity.is_broken else "unsupported"), identity.problem
    if reply.skipped:
        return "skipped", reply.problem
    if reply.problem:
        return ("partial" if tally.members or tally.documents else "failed"), reply.problem
    if identity.type not in READERS:
        return "unsupported", f"no reader for {identity.type}"
    return _outcome_of_rows(tally) if tally.has_tables or tally.rows else _outcome_of_text(tally, identity.type)


def _outcome_of_rows(tally: Tally) -> tuple[Outcome, str]:
    if tally.rejects:
        reason = f"{tally.rejects:,} of {tally.rows - tally.left_out:,} rows rejected"
        return ("partial" if tally.examples else "failed"), reason
    return "ok", ""


def _outcome_of_text(tally: Tally, kind: str) -> tuple[Outcome, str]:
    scanned = tally.pages["scanned"] + tally.pages["bad text layer"]
    pages = tally.pages.total()
    notes = list(tally.notes)
    if tally.copies:
        notes.append(f"{tally.copies:,} of its documents stand in another place too, and are read there")
    if scanned:
        notes.append(f"{scanned:,} of {pages:,} pages are scanned or have a bad text layer")
    if tally.pages["plain"]:
        notes.append(f"{tally.pages['plain']:,} of {pages:,} pages kept as plain text")
    if tally.copies and not tally.documents:
        return "copy", "; ".join(notes)
    if not tally.documents:
        empty = "no rows below the header" if kind in ROW_READERS and not tally.pages else "no text"
        return ("scanned", "; ".join(notes)) if scanned else ("empty", empty)
    return ("partial" if scanned or tally.notes else "ok"), "; ".join(notes)


def characters(example: Example) -> int:
    """Characters of an example's text."""
    match example:
        case Chat():
            return _written(example.messages)
        case Label():
            return sum(map(len, (example.text, example.second, *example.labels)))
        case Text() | Tags():
            return len(example.text)
        case Preference():
            return _written(example.prompt) + _written(example.chosen) + _written(example.rejected)
        case Rating():
            return _written(example.prompt) + _written(example.answer)
        case Graded():
            return _written(example.prompt) + sum(map(len, example.golds))
        case Extraction():
            return len(example.question) + len(example.context)
        case Pair():
            return sum(map(len, (example.query, example.positive, *example.negatives)))


def _written(messages: Iterable[Message]) -> int:
    return sum(len(turn.content) + sum(len(call.arguments) for call in turn.tool_calls) for turn in messages)


def _counted(members: Iterable[Item], tally: Tally) -> Iterator[Item]:
    for member in members:
        tally.members += 1
        yield member
