"""Every file and every row to an example or a reason."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from luthier.artifacts.rows import KINDS
from luthier.collect.config import UNREADABLE
from luthier.collect.formats.check import BadRowError, plain_text
from luthier.collect.formats.detect import Fit, Names, check_names, columns_of, detect, make_example, sample_rows
from luthier.collect.identify import Identity, identify
from luthier.collect.ledger import NOT_COUNTED, OUTCOMES, Entry, Outcome
from luthier.collect.reading import Source, UnreadableError, reject
from luthier.collect.registry import READERS, ROW_READERS, document_reader, row_formats
from luthier.collect.tables import Table, read_tables
from luthier.collect.walk import Found
from luthier.records import (
    Chat,
    Example,
    Label,
    Listener,
    Message,
    Origin,
    Pair,
    Preference,
    Rating,
    Reject,
    Row,
    Tags,
    Text,
    Tick,
)


@dataclass(slots=True)
class Corpus:
    """What was read, and the account of it."""

    entries: list[Entry] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    fits: dict[str, Fit] = field(default_factory=dict)
    """Table -> how it was understood."""
    columns: list[str] = field(default_factory=list)
    """Every column seen, in order of first appearance."""

    def counts(self) -> dict[str, Any]:
        """Numbers for the manifest; that they balance is asserted here."""
        outcomes = Counter(entry.outcome for entry in self.entries)
        kinds = Counter(KINDS[type(example)] for example in self.examples)
        rows = sum(entry.rows for entry in self.entries)
        from_rows = sum(example.origin.line is not None for example in self.examples)
        assert sum(outcomes[name] for name in OUTCOMES) == len(self.entries)
        assert rows == from_rows + len(self.rejects)
        assert len(self.rejects) == sum(entry.rejects for entry in self.entries)
        return {
            "files": {"seen": len(self.entries)} | {name: outcomes[name] for name in OUTCOMES},
            "rows": {"read": rows, "examples": from_rows, "rejects": len(self.rejects)},
            "documents": len(self.examples) - from_rows,
            "examples": {kind: kinds[kind] for kind in KINDS.values()},
            "bytes": {"counted": self.bytes_counted, "lost": self.bytes_lost},
        }

    @property
    def bytes_counted(self) -> int:
        """Bytes of all files but copies and skipped ones."""
        return sum(entry.size for entry in self.entries if entry.outcome not in NOT_COUNTED)

    @property
    def bytes_lost(self) -> int:
        """Bytes of files that could not be read."""
        return sum(entry.size for entry in self.entries if entry.is_lost)


@dataclass(slots=True)
class FileResult:
    """What one file gave."""

    examples: list[Example] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    fits: dict[str, Fit] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    rows: int = 0


def read_corpus(
    found: Sequence[Found], *, hashes: Mapping[str, str], names: Names, wanted: str, listener: Listener
) -> Corpus:
    """Read every file; a file that cannot be read costs itself only. UserError if a table's columns fit no format."""
    corpus = Corpus()
    first: dict[str, str] = {}
    for done, entry in enumerate(found):
        listener(Tick("collect", done=done, total=len(found), note=entry.name))
        digest = hashes[entry.name]
        if entry.skipped is None and digest in first:
            corpus.entries.append(_entry(entry, digest, Identity(""), "copy", f"same bytes as {first[digest]}"))
            continue
        ledger_entry, result = _read_file(entry, digest, names=names, wanted=wanted)
        # Only a file that counts can have copies: two empty files are both empty.
        if ledger_entry.outcome not in {"skipped", "empty"} and digest != UNREADABLE:
            first.setdefault(digest, entry.name)
        corpus.entries.append(ledger_entry)
        corpus.examples += result.examples
        corpus.rejects += result.rejects
        corpus.fits |= result.fits
        corpus.columns += [name for name in result.columns if name not in corpus.columns]
    if corpus.columns:
        check_names(names, corpus.columns)
    listener(Tick("collect", done=len(found), total=len(found)))
    return corpus


def _read_file(entry: Found, digest: str, *, names: Names, wanted: str) -> tuple[Entry, FileResult]:
    nothing = FileResult()
    if entry.skipped is not None:
        return _entry(entry, "", Identity(""), "skipped", entry.skipped), nothing
    try:
        if entry.path.stat().st_size == 0:
            return _entry(entry, digest, Identity(""), "empty", "no bytes"), nothing
        identity = identify(entry.path)
        if identity.type not in READERS or identity.problem:
            outcome: Outcome = "failed" if identity.is_broken else "unsupported"
            return _entry(
                entry, digest, identity, outcome, identity.problem or f"no reader for {identity.type}"
            ), nothing
        source = Source(path=entry.path, name=entry.name, encoding=identity.encoding)
        if identity.type in ROW_READERS:
            result = _read_rows(source, identity.type, names=names, wanted=wanted)
        else:
            result = _read_prose(source, identity.type)
    except UnreadableError as error:
        return _entry(entry, digest, identity, "failed", str(error)), nothing
    except OSError as error:
        return _entry(entry, digest, Identity(""), "failed", f"cannot be opened ({error.strerror})"), nothing
    return _finished(entry, digest, identity, result), result


def _finished(entry: Found, digest: str, identity: Identity, result: FileResult) -> Entry:
    reasons = [identity.note] if identity.note else []
    outcome: Outcome = "ok"
    if result.rejects:
        outcome = "partial" if result.examples else "failed"
        reasons.append(f"{len(result.rejects):,} of {result.rows:,} rows rejected")
    elif not result.examples:
        outcome = "empty"
        reasons.append("no rows below the header" if identity.type in ROW_READERS else "no text")
    return _entry(entry, digest, identity, outcome, "; ".join(reasons), result=result)


def _read_rows(source: Source, kind: str, *, names: Names, wanted: str) -> FileResult:
    result = FileResult()
    formats = row_formats()
    for table in read_tables(source, kind):
        result.rows += len(table.rows) + len(table.rejects)
        result.rejects += table.rejects
        if table.rows:
            sample = sample_rows(table.rows)
            result.columns += [name for name in columns_of(sample) if name not in result.columns]
            fit = detect(table.name, sample, formats=formats, names=names, wanted=wanted)
            result.fits[table.name] = fit
            _make_examples(table, fit, source.name, result)
    result.rejects.sort(key=lambda bad: (list(result.fits).index(bad.file) if bad.file in result.fits else 0, bad.line))
    return result


def _make_examples(table: Table, fit: Fit, file: str, result: FileResult) -> None:
    for row in table.rows:
        try:
            result.examples.append(make_example(row, fit, file=file))
        except BadRowError as error:
            result.rejects.append(reject(table.name, row.line, str(error), _shown(row), offset=row.offset))


def _read_prose(source: Source, kind: str) -> FileResult:
    result = FileResult()
    for document in document_reader(kind)(source):
        if document.text.strip():
            columns = {"title": document.title, **document.meta}
            origin = Origin(at=document.file, file=document.file, columns=columns)
            result.examples.append(Text(text=document.text, origin=origin))
    return result


def _shown(row: Row) -> str:
    return orjson.dumps({name: plain_text(value) for name, value in row.values.items()}).decode("utf-8")


def _entry(
    entry: Found, digest: str, identity: Identity, outcome: Outcome, reason: str, *, result: FileResult | None = None
) -> Entry:
    result = result or FileResult()
    return Entry(
        path=entry.name,
        size=0 if outcome == "skipped" else _size(entry),
        sha256=digest,
        type=identity.type,
        reader=READERS.get(identity.type, ""),
        outcome=outcome,
        reason=reason,
        rows=result.rows,
        rejects=len(result.rejects),
        characters=sum(map(_characters, result.examples)),
    )


def _size(entry: Found) -> int:
    try:
        return entry.path.stat().st_size
    except OSError:
        return 0


def _characters(example: Example) -> int:
    match example:
        case Chat():
            return _written(example.messages)
        case Label():
            return sum(map(len, (example.text, example.label, *example.others)))
        case Text() | Tags():
            return len(example.text)
        case Preference():
            return _written(example.prompt) + _written(example.chosen) + _written(example.rejected)
        case Rating():
            return _written(example.prompt) + _written(example.answer)
        case Pair():
            return sum(map(len, (example.query, example.positive, *example.negatives)))


def _written(messages: Iterable[Message]) -> int:
    return sum(len(turn.content) + sum(len(call.arguments) for call in turn.tool_calls) for turn in messages)
