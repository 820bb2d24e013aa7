"""Do files come back as the words, headings and cells that were written into them, and is every loss told?

Files of five formats are written from trees of sections with a serial word in each sentence (`_tree.py`); the trees are
the truth. PDF files vary in columns, ligatures, hyphens, running headers, tables and scanned pages. A loss is silent if
a serial word is gone and its page is not marked. Peers read the same files in environments of their own.
"""

import json
import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.data._score import Score, score
from bench.data._tree import Author, Tree
from bench.data._write_office import write_docx, write_html, write_pptx, write_xlsx
from bench.data._write_pdf import Printed, look_of, write_pdf
from bench.peers import peer_python
from bench.record import Asked, Outcome, run_bench, say

from luthier.collect.identify import identify
from luthier.collect.reading import Source
from luthier.collect.registry import DOCUMENT_READERS, document_reader
from luthier.records import Document

PEERS = {
    "markitdown": ["markitdown[docx,pdf,pptx,xlsx]==0.1.8"],
    "kreuzberg": ["kreuzberg==4.10.4"],
}
OFFICE: dict[str, Callable[[Tree, Path], None]] = {
    "docx": write_docx,
    "pptx": write_pptx,
    "xlsx": write_xlsx,
    "html": write_html,
}
LEAST_CHARACTERS, LEAST_F1, LEAST_SPEED = 0.995, 0.90, 100.0
BAR = "characters >= 99.5 %, 0 silent losses, headings F1 >= .90, cells F1 >= .90, >= 100 PDF pages/s/core"


@dataclass(slots=True)
class Case:
    """A file and its truth."""

    path: Path
    tree: Tree
    printed: Printed | None = None
    """Of PDF files."""

    @property
    def format(self) -> str:
        """The file's type."""
        return self.path.suffix.removeprefix(".")

    @property
    def titles(self) -> list[str]:
        """The headings that the format can show."""
        limit = 31 if self.format == "xlsx" else None
        return [section.title[:limit] for section in self.tree.sections]


@dataclass(slots=True)
class Reading:
    """What one reader made of one file."""

    text: str
    seconds: float
    marked: set[int] = field(default_factory=set)
    """Pages that were said to be not read."""


def main() -> None:
    """Run from the command line."""
    run_bench("data.d1", measure, about=__doc__ or "")


def measure(asked: Asked) -> Outcome:
    """Write the files, let everybody read them, compare."""
    with TemporaryDirectory() as folder:
        cases = write_cases(Path(folder), seed=asked.seed, files=3 if asked.quick else 24)
        pages = sum(case.printed.pages for case in cases if case.printed is not None)
        say(f"{len(cases)} files, {pages} PDF pages")
        tables = {"luthier": grade(cases, {case.path.name: read_ours(case.path) for case in cases})}
        show("luthier", tables["luthier"])
        for name, requirements in PEERS.items():
            tables[name] = grade(cases, read_peer(name, requirements, cases, Path(folder)))
            show(name, tables[name])
    ours = tables["luthier"]
    speed = ours["pdf"]["pages per second"]
    value = {
        "characters": min(row["characters"] for row in ours.values()),
        "silent losses": sum(row["silent losses"] for row in ours.values()),
        "headings": min(row["headings"] for row in ours.values()),
        "cells": min(row["cells"] for row in ours.values()),
        "PDF pages per second and core": speed,
    }
    holds = (
        value["characters"] >= LEAST_CHARACTERS
        and value["silent losses"] == 0
        and min(value["headings"], value["cells"]) >= LEAST_F1
        and speed >= LEAST_SPEED
        and len(ours) == len(OFFICE) + 1
    )
    peer = {
        name: {
            "silent losses": sum(row["silent losses"] for row in rows.values()),
            "PDF headings": rows["pdf"]["headings"],
            "PDF cells": rows["pdf"]["cells"],
            "PDF pages per second and core": rows["pdf"]["pages per second"],
        }
        for name, rows in tables.items()
        if name != "luthier"
    }
    versions = {name: requirements[0].partition("==")[2] for name, requirements in PEERS.items()}
    return Outcome(holds=holds, value=value, bar=BAR, peer=peer, detail={"formats": tables}, versions=versions)


def write_cases(folder: Path, *, seed: int, files: int) -> list[Case]:
    """`files` PDF files in varied looks, and a quarter as many of each other format that a reader is registered for."""
    author, dice = Author(seed), random.Random(seed + 1)
    cases = []
    for number in range(files):
        tree = author.tree(f"file{number}", chapters=dice.randint(3, 9), numbered=dice.random() < 0.5)
        look, path = look_of(dice), folder / f"file{number}.pdf"
        scans = [author.sentence() for _ in range(8 * look.scanned)]
        cases.append(Case(path, tree, write_pdf(tree, path, look=look, scans=scans, dice=dice)))
    for kind, write in OFFICE.items():
        for number in range(max(2, files // 4) if kind in DOCUMENT_READERS else 0):
            tree = author.tree(f"{kind}{number}", chapters=dice.randint(3, 6), numbered=dice.random() < 0.5)
            path = folder / f"{kind}{number}.{kind}"
            write(tree, path)
            cases.append(Case(path, tree))
    return cases


def read_ours(path: Path) -> Reading:
    """Read a file as collect does, without its confinement."""
    identity = identify(path)
    source = Source(path=path, name=path.name, encoding=identity.encoding)
    read = document_reader(identity.type)
    began = time.process_time()
    documents = list(read(source))
    seconds = time.process_time() - began
    text = "\n\n".join(document.text for document in documents)
    return Reading(text, seconds, marked={number for document in documents for number in _marked(document)})


def _marked(document: Document) -> list[int]:
    unread = {"scanned", "bad text layer"}
    return [number for number, page in enumerate(document.pages, start=1) if page.state in unread]


def read_peer(name: str, requirements: list[str], cases: list[Case], folder: Path) -> dict[str, Reading]:
    """Let a peer read the same files."""
    python = peer_python(name, requirements=requirements)
    listed = folder / "files.txt"
    listed.write_text("\n".join(str(case.path) for case in cases), encoding="utf-8")
    script = Path(__file__).with_name("_peer_extract.py")
    done = subprocess.run([str(python), str(script), name, str(listed)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return {file: Reading(text=row["text"], seconds=row["seconds"]) for file, row in found.items()}


def grade(cases: list[Case], readings: dict[str, Reading]) -> dict[str, dict[str, float]]:
    """Format -> numbers."""
    rows: dict[str, dict[str, float]] = {}
    for kind in dict.fromkeys(case.format for case in cases):
        total, silent, scans, pages, seconds = Score(), 0, 0, 0, 0.0
        members = [case for case in cases if case.format == kind]
        for case in members:
            reading = readings[case.path.name]
            found = score(case.tree, reading.text, titles=case.titles)
            total.add(found)
            seconds += reading.seconds
            if case.printed is None:
                silent += len(found.lost)
                continue
            pages += case.printed.pages
            silent += sum(case.printed.serials[serial] not in reading.marked for serial in found.lost)
            unseen = {page for serial, page in case.printed.scanned.items() if serial not in reading.text}
            scans += len(unseen - reading.marked)
        rows[kind] = {
            "files": len(members),
            **total.numbers(),
            "silent losses": silent + scans,
            "scanned pages not told": scans,
            "seconds": round(seconds, 2),
        }
        if pages:
            rows[kind]["pages per second"] = round(pages / seconds, 1)
    return rows


def show(name: str, rows: dict[str, dict[str, float]]) -> None:
    """One line for each format."""
    for kind, row in rows.items():
        say(f"  {name:12}{kind:6}" + ", ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
