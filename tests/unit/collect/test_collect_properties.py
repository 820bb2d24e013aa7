"""Folders at random: every file and member has one row and one outcome, and what is read leads back to its line."""

import csv
import io
import json
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from random_folders import ENVELOPE, File, flattened, folders, write_folder
from shared_workers import shared_workers

from luthier.artifacts.documents import read_documents
from luthier.artifacts.folders import CorpusDir
from luthier.artifacts.rows import read_examples
from luthier.collect.config import CollectConfig
from luthier.collect.ledger import OUTCOMES, Entry, read_files, read_rejects
from luthier.collect.stage import collect
from luthier.records import Chat, Document, Example, Label, Pair, Preference

CONFIG = CollectConfig(sources=["."], accept_losses=True, bad_rows=1.0)


@contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def gather(data: Path, out: Path, *, workers: int = 1) -> CorpusDir:
    return collect([data], config=CONFIG, out=out, workers=shared_workers(workers))


def entries_of(corpus: CorpusDir) -> dict[str, Entry]:
    entries = read_files(corpus.file("files.parquet"))
    assert len({entry.path for entry in entries}) == len(entries)
    return {entry.path: entry for entry in entries}


def expected(files: dict[str, File], entries: dict[str, Entry]) -> dict[str, File]:
    """The names that the ledger must have: the members of an archive that is a copy stand in the first of its kind."""
    copies = tuple(f"{name}!/" for name, entry in entries.items() if entry.outcome == "copy")
    return {name: file for name, file in flattened(files).items() if not name.startswith(copies)}


@settings(max_examples=10, deadline=None, derandomize=True)
@given(folders())
def test_every_file_has_one_outcome_and_what_is_read_leads_back_to_its_line(
    files: dict[str, File],
) -> None:
    with scratch() as place:
        corpus = gather(write_folder(place / "data", files), place / "corpus")
        entries = entries_of(corpus)
        wanted = expected(files, entries)
        assert_books_balance(corpus, entries, wanted)
        assert_rows_stand_where_they_say(corpus, entries, wanted)
        assert_documents_are_their_files(corpus, entries, wanted)


def assert_books_balance(corpus: CorpusDir, entries: dict[str, Entry], wanted: dict[str, File]) -> None:
    counts = corpus.manifest.counts
    assert set(entries) == set(wanted)
    assert {entry.outcome for entry in entries.values()} <= set(OUTCOMES)
    assert all(entry.reason for entry in entries.values() if entry.outcome != "ok")
    assert all(entry.size == len(wanted[name].content) for name, entry in entries.items() if entry.sha256)
    assert sum(counts["files"][name] for name in OUTCOMES) == counts["files"]["seen"] == len(entries)
    for name, file in wanted.items():
        entry = entries[name]
        if entry.outcome in {"ok", "partial"} and (file.rows or file.bad):
            made = sum(map(len, file.rows.values())) // 2
            assert (entry.rows, entry.rejects) == (made + len(file.bad), len(file.bad))
        assert entry.members == (len(file.members) if entry.outcome in {"ok", "failed", "partial"} else 0)
    assert counts["bytes"] == bytes_of(wanted, entries)
    bad = Counter(row.file for row in read_rejects(corpus.file("rejects.parquet")))
    assert bad == Counter({name: entry.rejects for name, entry in entries.items() if entry.rejects})


def bytes_of(wanted: dict[str, File], entries: dict[str, Entry]) -> dict[str, int]:
    """Bytes that should have been read, and those that could not be. An archive stands for its files if it failed."""
    failed = tuple(
        f"{name}!/" for name, file in wanted.items() if file.is_archive and entries[name].outcome == "failed"
    )
    counted = lost = 0
    for name, file in wanted.items():
        is_lost = entries[name].outcome in {"failed", "unsupported", "scanned"}
        stands = not file.is_archive or is_lost
        if entries[name].outcome not in {"copy", "skipped"} and stands and not name.startswith(failed):
            counted += len(file.content)
            lost += is_lost * len(file.content)
    return {"counted": counted, "lost": lost}


def assert_rows_stand_where_they_say(corpus: CorpusDir, entries: dict[str, Entry], wanted: dict[str, File]) -> None:
    found: dict[str, list[Example]] = defaultdict(list)
    for example in read_examples(corpus.file("examples.parquet")):
        found[example.origin.file].append(example)
    for name, examples in found.items():
        assert len({example.origin.at for example in examples}) == len(examples)
        for example in examples:
            line, file = example.origin.line or 0, wanted[name]
            assert example.origin.at.startswith(f"{name}:{line}")
            record = record_at(file, line)
            assert all(text in file.rows[line] and text in record for text in texts_of(example))
    bad = {(row.file, row.line) for row in read_rejects(corpus.file("rejects.parquet"))}
    read = (name for name, entry in entries.items() if entry.outcome in {"ok", "partial"})
    assert bad == {(name, line) for name in read for line in wanted[name].bad}


def assert_documents_are_their_files(corpus: CorpusDir, entries: dict[str, Entry], wanted: dict[str, File]) -> None:
    documents = list(read_documents(corpus.file("documents.parquet")))
    assert len({document.id for document in documents}) == len(documents)
    whole = {one.file: one for one in documents if wanted[one.file].text is not None}
    read = {name for name, entry in entries.items() if entry.outcome in {"ok", "partial"}}
    assert set(whole) == {name for name in read if wanted[name].text is not None}
    for name, document in whole.items():
        assert (document.id, document.text) == (entries[name].sha256, wanted[name].text)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(folders(), folders())
def test_other_files_other_places_and_other_numbers_of_workers_change_nothing(
    files: dict[str, File], others: dict[str, File]
) -> None:
    more = {f"{place}{name}": file for name, file in others.items() for place in ("\x01 before/", "zz behind/")}
    known = set[bytes]().union(*map(contents, files.values()))
    more = {name: file for name, file in more.items() if not known & contents(file)}
    with scratch() as place:
        data = write_folder(place / "data", files)
        first = gather(data, place / "first")
        shutil.copytree(data, place / "elsewhere" / "other")
        assert gather(place / "elsewhere" / "other", place / "second", workers=4).digest == first.digest
        write_folder(data, {name: file for name, file in more.items() if not name.rpartition("/")[2].startswith(".")})
        third = by_file(gather(data, place / "third"))
        known_files = by_file(first)
        assert {name: third[name] for name in known_files} == known_files


def contents(file: File) -> set[bytes]:
    """The bytes of a file, of its letters, and of all in it."""
    return {file.content, *file.content.split(ENVELOPE)}.union(*map(contents, file.members.values())) - {b""}


def by_file(corpus: CorpusDir) -> dict[str, list[Entry | Example | Document]]:
    """Everything that was made of each file."""
    found: dict[str, list[Any]] = {name: [entry] for name, entry in entries_of(corpus).items()}
    for example in read_examples(corpus.file("examples.parquet")):
        found[example.origin.file].append(example)
    for document in read_documents(corpus.file("documents.parquet")):
        found[document.file].append(document)
    for row in read_rejects(corpus.file("rejects.parquet")):
        found[row.file].append(row)
    return found


def texts_of(example: Example) -> list[str]:
    """What a made-up row says, without the answer that all pairs of answers share."""
    match example:
        case Chat():
            return [turn.content for turn in example.messages]
        case Label():
            return [example.text]  # several labels may stand in one cell
        case Preference():
            return [turn.content for turn in (*example.prompt, *example.chosen)]
        case Pair():
            return [example.query, example.positive]
        case _:
            raise AssertionError(example)


def record_at(file: File, line: int) -> list[str]:
    """All texts of the record that begins at a line, read by the plainest means."""
    lines = file.content.decode().split("\n")
    if file.suffix in {".csv", ".tsv"}:
        rest = io.StringIO("\n".join(lines[line - 1 :]), newline="")
        return next(csv.reader(rest, delimiter="," if file.suffix == ".csv" else "\t"))
    values = json.loads(lines[line - 1].strip("[],")) if file.suffix != ".json" else json.loads(file.content)
    return list(strings(values))


def strings(value: Any) -> Iterator[str]:
    """All strings in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)
