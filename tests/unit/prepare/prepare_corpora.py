"""Builders of examples and corpora for the tests of prepare."""

from collections.abc import Sequence
from pathlib import Path

from luthier.artifacts.documents import write_documents
from luthier.artifacts.folders import CorpusDir, building
from luthier.artifacts.rows import write_examples
from luthier.collect.ledger import Refused, write_files
from luthier.records import Chat, Document, Example, Label, Message, Origin


def origin(file: str, line: int, **columns: str) -> Origin:
    """A place in a customer's file."""
    return Origin(at=f"{file}:{line}", file=file, line=line, columns=columns)


def chat(question: str, answer: str, *, file: str = "a.csv", line: int = 1, **columns: str) -> Chat:
    """A question with its answer."""
    turns = (Message("user", question), Message("assistant", answer))
    return Chat(messages=turns, origin=origin(file, line, **columns))


def label(text: str, name: str, *, file: str = "a.csv", line: int = 1, **columns: str) -> Label:
    """A labelled text."""
    return Label(text=text, label=name, origin=origin(file, line, **columns))


def coded(groups: int, *, each: int = 3, file: str = "codes.csv", first: int = 0) -> list[Example]:
    """Labelled texts in `groups` groups of column `code`, three labels in each."""
    return [
        label(
            f"Finding {group} number {index}",
            f"Class {(group + index) % 3}",
            file=file,
            line=group * each + index + 2,
            code=f"K{group:03}.{index}",
        )
        for group in range(first, first + groups)
        for index in range(each)
    ]


def document(number: int, text: str, *, headings: tuple[tuple[int, int, str], ...] = ()) -> Document:
    """A Markdown file."""
    name = f"page-{number}.md"
    return Document(id=f"{number:064x}", file=name, kind="markdown", title=name, text=text, headings=headings)


def write_corpus(folder: Path, examples: Sequence[Example], documents: Sequence[Document] = ()) -> CorpusDir:
    """A corpus folder as collect leaves it, as far as prepare reads it."""
    with building(folder, CorpusDir, key="k", settings={}, inputs={}) as draft:
        write_examples(draft.path / "examples.parquet", examples)
        write_documents(draft.path / "documents.parquet", documents)
        write_files(draft.path / "files.parquet", [])
        with Refused(draft.path / "rejects.parquet"):
            pass  # none
    return CorpusDir.open(folder)
