"""Folders of files at random, and where everything in them stands."""

import csv
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

ENVELOPE = b"From a@example.com Mon Jan  1 10:00:00 2024\n"
"""What a letter in a mailbox begins with."""


@dataclass(frozen=True)
class File:
    """A file's bytes, and what collect must find in it."""

    content: bytes
    suffix: str
    rows: dict[int, list[str]] = field(default_factory=dict)
    """Line -> the texts of the examples that begin there."""
    bad: tuple[int, ...] = ()
    """Lines of rows that cannot be used."""
    text: str | None = None
    """What the document says, for files that are kept word for word."""
    members: dict[str, "File"] = field(default_factory=dict)

    @property
    def is_archive(self) -> bool:
        """True if it is nothing but its members."""
        return self.suffix in {".zip", ".tar", ".tar.gz"}


LETTERS = st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"], include_characters="\u200b\u0301😀")
WORD = st.text(LETTERS, min_size=1, max_size=9).filter(lambda word: word.strip() != "")
LINE = st.lists(
    st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=1, max_size=8), min_size=1, max_size=9
)
SENTENCE = st.builds(lambda words, odd: " ".join([*words, odd.strip()]), LINE, WORD)
CELL = st.one_of(
    SENTENCE, st.builds("\n".join, st.lists(SENTENCE, min_size=1, max_size=3)), st.just('a "quoted", cell')
)
NAME = st.text(
    st.characters(codec="utf-8", categories=["Ll", "Lo"], include_characters=" \n'&ü😀"), min_size=1, max_size=6
)


@st.composite
def prose(draw: Callable[..., Any]) -> File:
    """A text or some Markdown, kept word for word."""
    paragraphs = draw(st.lists(SENTENCE, min_size=1, max_size=5))
    is_marked = draw(st.booleans())
    text = "\n\n".join(f"# {one}" if is_marked and place % 3 == 0 else one for place, one in enumerate(paragraphs))
    return File(text.encode(), ".md" if is_marked else ".txt", text=text)


@st.composite
def page(draw: Callable[..., Any]) -> File:
    """An HTML page."""
    body = "".join(f"<p>{' '.join(words)}</p>" for words in draw(st.lists(LINE, min_size=1, max_size=4)))
    return File(f"<!DOCTYPE html><html><body><h1>Page</h1>{body}</body></html>".encode(), ".html")


@st.composite
def table(draw: Callable[..., Any]) -> File:
    """Questions and answers in CSV or TSV, some of them bad; the first is good, or the file would stop a run."""
    is_tabbed = draw(st.booleans())
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t" if is_tabbed else ",", lineterminator=draw(st.sampled_from(["\n", "\r\n"])))
    writer.writerow(["question", "answer", "topic"])
    rows: dict[int, list[str]] = {}
    bad = []
    for question, answer, is_bad in [
        ("why", "so", False),
        *draw(st.lists(st.tuples(CELL, CELL, st.booleans()), max_size=4)),
    ]:
        line = out.getvalue().count("\n") + 1
        writer.writerow([question, " " if is_bad else answer, "t"])
        if is_bad:
            bad.append(line)
        else:
            rows[line] = [question, answer]
    return File(out.getvalue().encode(), ".tsv" if is_tabbed else ".csv", rows, tuple(bad))


def _turns(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def _shared(question: str, answer: str) -> dict[str, Any]:
    return {"conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]}


FORMATS: list[Callable[[str, str], dict[str, Any]]] = [
    _turns,
    _shared,
    lambda question, answer: {"instruction": question, "input": "", "output": answer},
    lambda question, answer: {"prompt": question, "completion": answer},
    lambda question, answer: {"text": question, "label": answer},
    lambda question, answer: {"prompt": question, "chosen": answer, "rejected": "Nobody knows."},
    lambda question, answer: {"query": question, "positive": answer},
]


@st.composite
def objects(draw: Callable[..., Any]) -> File:
    """Rows of one format, as JSON Lines or as one list, with lines that are no row among them."""
    make = draw(st.sampled_from(FORMATS))
    wanted = [("why", "so"), *draw(st.lists(st.tuples(SENTENCE, SENTENCE), max_size=4))]
    dumped = [json.dumps(make(*pair), ensure_ascii=False) for pair in wanted]
    if draw(st.booleans()):
        # A list on one line, and one with a row on each.
        glue = draw(st.sampled_from([", ", ",\n"]))
        places = [1] * len(dumped) if glue == ", " else list(range(1, len(dumped) + 1))
        rows: dict[int, list[str]] = {}
        for line, pair in zip(places, wanted, strict=True):
            rows.setdefault(line, []).extend(pair)
        return File(f"[{glue.join(dumped)}]".encode(), ".json", rows)
    junk = draw(st.lists(st.sampled_from(["{broken", "7", ""]), max_size=2))
    lines = [*dumped, *junk]
    bad = tuple(line for line, text in enumerate(lines, start=1) if line > len(dumped) and text)
    rows = {line: list(pair) for line, pair in enumerate(wanted, start=1)}
    return File(("\n".join(lines) + "\n").encode(), draw(st.sampled_from([".jsonl", ".txt"])), rows, bad)


@st.composite
def noise(draw: Callable[..., Any]) -> File:
    """Bytes of no kind, no bytes at all, or text that nobody reads."""
    content = draw(st.one_of(st.binary(min_size=1, max_size=40).map(lambda junk: b"\0" + junk), st.just(b"")))
    return File(content, draw(st.sampled_from([".bin", ".txt", ".csv", ".pdf", ".docx", ".jpg", ""])))


def any_of(*kinds: st.SearchStrategy[File]) -> st.SearchStrategy[File]:
    """One of these, each as often as the others."""
    return st.sampled_from(kinds).flatmap(lambda kind: kind)


LEAF = any_of(prose(), page(), table(), objects(), objects(), noise())


@st.composite
def letter(draw: Callable[..., Any]) -> File:
    """A mail that carries some files."""
    members = {f"{place}{file.suffix}": file for place, file in enumerate(draw(st.lists(LEAF, max_size=2)))}
    return File(_letter(draw(SENTENCE), members), ".eml", members=members)


@st.composite
def mailbox(draw: Callable[..., Any]) -> File:
    """Several mails, some of them twice."""
    words = draw(st.lists(st.sampled_from(["One.", "Two.", "Three."]), min_size=1, max_size=3))
    return File(b"".join(ENVELOPE + _letter(text, {}) + b"\n" for text in words), ".mbox")


def _letter(text: str, members: dict[str, File]) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.com", "Pumps"
    message.set_content(text)
    for name, file in members.items():
        message.add_attachment(file.content, maintype="application", subtype="octet-stream", filename=name)
    if members:
        message.set_boundary("=_border_=")
    return message.as_bytes()


@st.composite
def archive(draw: Callable[..., Any], inside: st.SearchStrategy[File]) -> File:
    """A ZIP, a TAR or a packed TAR of some files."""
    files = draw(st.dictionaries(NAME, inside, max_size=3))
    members = {f"{'dir/' if len(name) % 2 else ''}{name}{file.suffix}": file for name, file in files.items()}
    kind = draw(st.sampled_from([".zip", ".tar", ".tar.gz"]))
    out = io.BytesIO()
    if kind == ".zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, file in members.items():
                packed.writestr(zipfile.ZipInfo(name), file.content)
    else:
        with tarfile.open(fileobj=out, mode="w") as packed:
            for name, file in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(file.content)
                packed.addfile(info, io.BytesIO(file.content))
    content = gzip.compress(out.getvalue(), mtime=0) if kind == ".tar.gz" else out.getvalue()
    return File(content, kind, members=members)


FILE = any_of(LEAF, LEAF, LEAF, letter(), mailbox(), archive(any_of(LEAF, letter(), archive(LEAF))))


@st.composite
def folders(draw: Callable[..., Any]) -> dict[str, File]:
    """Relative path -> file: some in folders, some hidden, some the same as others."""
    files = {"always.txt": File(b"Always here.", ".txt", text="Always here.")}
    for name, file in draw(st.dictionaries(NAME, FILE, min_size=5, max_size=10)).items():
        where = draw(st.sampled_from(["", "", "in/", "in/deep er/", ".hidden/", "."]))
        files[f"{where}{name}{file.suffix}"] = file
    copied = draw(st.lists(st.tuples(NAME, st.sampled_from(sorted(files))), max_size=2))
    for name, original in copied:
        files.setdefault(f"copies/{name}{files[original].suffix}", files[original])
    return files


def write_folder(folder: Path, files: dict[str, File]) -> Path:
    """Write them."""
    for name, file in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
    return folder


def flattened(files: dict[str, File]) -> dict[str, File]:
    """All files and members by the name that the ledger gives them; a hidden folder is one."""
    found: dict[str, File] = {}
    for name, file in files.items():
        if name.startswith(".hidden/"):
            found[".hidden"] = File(b"", "")
            continue
        name = name.replace("\n", "\\x0a")
        found[name] = file
        if not name.startswith(".") and "/." not in name:
            found |= {f"{name}!/{inner}": member for inner, member in flattened(file.members).items()}
    return found
