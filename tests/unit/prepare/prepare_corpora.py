"""Builders of examples and corpora for the tests of prepare."""

from collections.abc import Sequence
from pathlib import Path

from luthier.artifacts.documents import write_documents
from luthier.artifacts.folders import CorpusDir, building
from luthier.artifacts.rows import write_examples
from luthier.collect.ledger import Refused, write_files
from luthier.graders.marking import graders_of, written
from luthier.records import (
    Chat,
    Document,
    Entity,
    Example,
    Extraction,
    Graded,
    Label,
    Message,
    Origin,
    Pair,
    Preference,
    Rating,
    Tags,
    Text,
)


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


WORDS = ("pump", "valve", "motor", "boiler", "filter", "sensor", "gasket", "piston", "burner", "rotor", "bearing")
PLACES = ("Oslo", "Bergen", "Turku", "Malmo", "Aarhus", "Tampere", "Odense", "Gavle", "Vaasa", "Lund", "Kotka")


def sentence(number: int) -> str:
    """One of many sentences that share few words in a row."""
    part, other, place = WORDS[number % 11], WORDS[number // 11 % 11], PLACES[number // 7 % 11]
    return f"The {part} number {number} from {place} replaced a {other} of grade {number * 37 % 101}"


def rows_for(name: str, groups: int = 40, *, each: int = 3) -> list[Example]:
    """Examples of the kind that an objective learns from, in groups of column `code`."""
    make = {
        "prefer": preference,
        "reward": preference,
        "rate": rating,
        "reinforce": graded,
        "tag": tags,
        "extract": extraction,
        "embed": pair,
        "fill": text,
        "several": several,
        "two": two,
        "classify": lambda number, at: label(sentence(number), ("A", "B")[number % 2], line=at.line or 0, **at.columns),
        "chat": lambda number, at: Chat(
            (Message("user", sentence(number)), Message("assistant", f"Part {number}")), at
        ),
        "complete": text,
    }[name]
    return [
        make(number, origin("rows.jsonl", number + 1, code=f"K{number // each:03}.{number % each}"))
        for number in range(groups * each)
    ]


def preference(number: int, at: Origin) -> Preference:
    """A prompt with a better and a worse answer."""
    prompt, good, bad = f"What is said of part {number}? {sentence(number)}", f"Part {number}.", f"No part, {number}!"
    return Preference((Message("user", prompt),), (Message("assistant", good),), (Message("assistant", bad),), at)


def rating(number: int, at: Origin) -> Rating:
    """A prompt with an answer, every second of them bad."""
    prompt = Message("user", f"What is said of part {number}? {sentence(number)}")
    return Rating((prompt,), (Message("assistant", f"It is part {number}."),), number % 2 == 0, at)


def graded(number: int, at: Origin) -> Graded:
    """A question with two golds, every second of them with a grader of its own."""
    prompt = Message("user", f"Which part is it? {sentence(number)}")
    graders = written(graders_of("contains")) if number % 2 else ""
    return Graded((prompt,), (f"Part {number}", f"It is {number}"), graders, at)


def tags(number: int, at: Origin) -> Tags:
    """A sentence whose parts and places are marked."""
    told = sentence(number)
    place = PLACES[number // 7 % 11]
    start = told.index(f"{WORDS[number % 11]} number {number}")
    first = Entity(start, start + len(f"{WORDS[number % 11]} number {number}"), "PART")
    return Tags(told, (first, Entity(told.index(place), told.index(place) + len(place), "PLACE")), at)


def extraction(number: int, at: Origin) -> Extraction:
    """A question about a sentence, every fifth without an answer in it."""
    told = sentence(number)
    place = PLACES[number // 7 % 11]
    start = told.index(place)
    answers = ((start, start + len(place)),) if number % 5 else ()
    return Extraction(f"Where is part {number} from?", told, answers, at)


def pair(number: int, at: Origin) -> Pair:
    """A query with its positive and a negative."""
    return Pair(
        f"part {number} of {PLACES[number % 11]}", sentence(number), (f"Nothing is known, {number}.",), None, at
    )


def text(number: int, at: Origin) -> Text:
    """A sentence."""
    return Text(f"{sentence(number)}.", at)


def several(number: int, at: Origin) -> Label:
    """A text with none, one or two labels."""
    names = [name for bit, name in enumerate(("A", "B")) if number >> bit & 1]
    return Label(sentence(number), names[0] if names else "", at, tuple(names[1:]))


def two(number: int, at: Origin) -> Label:
    """Two texts with one label."""
    return Label(sentence(number), ("yes", "no")[number % 2], at, second=f"Part {number} is old.")
