"""Archives, samples and workbooks: what collect finds inside of files, and how much of it is wanted."""

import bz2
import gzip
import io
import lzma
import shutil
import tarfile
import zipfile
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from shared_workers import shared_workers

from luthier.artifacts.documents import read_documents
from luthier.artifacts.folders import CorpusDir
from luthier.artifacts.rows import read_examples
from luthier.collect.config import CollectConfig, collect_key
from luthier.collect.confine import Workers
from luthier.collect.ledger import Entry, read_files
from luthier.collect.peek import peek
from luthier.collect.stage import collect
from luthier.collect.walk import find_files
from luthier.errors import UserError

FAQ = "question,answer\nWhy?,Because.\nHow?,So.\n"


def zipped(**members: str | bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(**members: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    return out.getvalue()


def gather(source: Path, out: Path, *, workers: Workers | None = None, **changes: Any) -> CorpusDir:
    config = CollectConfig(sources=["."], **changes)
    return collect([source], config=config, out=out, workers=workers or shared_workers())


def rows(corpus: CorpusDir) -> dict[str, Entry]:
    return {entry.path: entry for entry in read_files(corpus.file("files.parquet"))}


def test_the_files_of_archives_are_read_as_files(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.mkdir()
    inner = zipped(**{"deep/guide.md": "# Guide\n", "faq.csv": FAQ})
    (place / "a.zip").write_bytes(zipped(**{"docs/": "", "docs/b.zip": inner, ".DS_Store": "x", "notes.txt": "Notes."}))
    (place / "b.tar.gz").write_bytes(gzip.compress(tarred(**{"x/one.txt": "One.", "two.txt": "Two."})))
    (place / "c.csv.bz2").write_bytes(bz2.compress(b"question,answer\nWho?,Me.\n"))
    (place / "d.txt.xz").write_bytes(lzma.compress(b"Packed."))
    (place / "e.tar").write_bytes(tarred(**{"notes.txt": "Notes."}))
    (place / "empty.zip").write_bytes(zipped())
    corpus = gather(place, tmp_path / "corpus")
    found = rows(corpus)
    assert {name: entry.outcome for name, entry in found.items()} == {
        "a.zip": "ok",
        "a.zip!/docs/b.zip": "ok",
        "a.zip!/docs/b.zip!/deep/guide.md": "ok",
        "a.zip!/docs/b.zip!/faq.csv": "ok",
        "a.zip!/.DS_Store": "skipped",
        "a.zip!/notes.txt": "ok",
        "b.tar.gz": "ok",
        "b.tar.gz!/x/one.txt": "ok",
        "b.tar.gz!/two.txt": "ok",
        "c.csv.bz2": "ok",
        "c.csv.bz2!/c.csv": "ok",
        "d.txt.xz": "ok",
        "d.txt.xz!/d.txt": "ok",
        "e.tar": "ok",
        "e.tar!/notes.txt": "copy",
        "empty.zip": "empty",
    }
    assert list(found) == sorted(found, key=list(found).index)
    assert (found["a.zip"].members, found["a.zip"].bytes_counted) == (3, 0)
    documents = {document.file: document for document in read_documents(corpus.file("documents.parquet"))}
    assert documents["d.txt.xz!/d.txt"].text == "Packed."
    assert documents["a.zip!/docs/b.zip!/deep/guide.md"].title == "Guide"
    assert documents["b.tar.gz!/two.txt"].title == "two"
    examples = list(read_examples(corpus.file("examples.parquet")))
    assert [example.origin.at for example in examples] == [
        "a.zip!/docs/b.zip!/faq.csv:2",
        "a.zip!/docs/b.zip!/faq.csv:3",
        "c.csv.bz2!/c.csv:2",
    ]
    counts = corpus.manifest.counts
    assert (counts["documents"], counts["rows"]["read"], counts["files"]["seen"]) == (5, 3, 16)


def test_what_a_mail_carries_is_read_too(tmp_path: Path) -> None:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "a@example.com", "b@example.com", "The pump"
    letter.set_content("It leaks. See the table.")
    letter.add_attachment(FAQ.encode(), maintype="text", subtype="csv", filename="faq.csv")
    letter.add_attachment(zipped(**{"note.txt": "Zipped."}), maintype="application", subtype="zip", filename="a.zip")
    letter.add_attachment(b"x", maintype="text", subtype="plain", filename="../../evil.txt")
    (tmp_path / "letter.eml").write_bytes(letter.as_bytes())
    corpus = gather(tmp_path / "letter.eml", tmp_path / "corpus")
    found = {name: (entry.outcome, entry.documents, entry.rows) for name, entry in rows(corpus).items()}
    assert found["letter.eml"] == ("ok", 1, 0)
    assert found["letter.eml!/faq.csv"] == ("ok", 0, 2)
    assert found["letter.eml!/a.zip!/note.txt"] == ("ok", 1, 0)
    assert rows(corpus)["letter.eml"].members == 3


def test_a_generated_file_is_skipped_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("# Generated by protoc. DO NOT EDIT.\nX = 1\n")
    (tmp_path / "b.txt").write_text("Text.")
    entry = rows(gather(tmp_path, tmp_path / "corpus"))["a.py"]
    assert (entry.outcome, entry.bytes_counted, "generated" in entry.reason) == ("skipped", 0, True)


def test_a_first_look_sees_into_archives(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(**{"faq.csv": FAQ, "guide.md": "# Guide\n", "x.png": b"\x89PNG\r\n\x1a\n"}))
    (tmp_path / "copy.csv").write_text(FAQ)
    seen = peek([tmp_path])
    assert [(head.name, head.columns) for head in seen.heads] == [("a.zip!/faq.csv", ("question", "answer"))]
    assert (seen.prose, list(seen.others)) == (["a.zip!/guide.md"], ["a.zip!/x.png", "copy.csv"])
    assert seen.others["copy.csv"] == "same bytes as a.zip!/faq.csv"


def test_any_number_of_workers_makes_the_same_bytes(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.mkdir()
    for number in range(12):
        (place / f"{number:02}.txt").write_text(f"Text {number}. " * (1 + 500 * (number % 3)))
    (place / "z.zip").write_bytes(zipped(**{f"{n}.csv": FAQ.replace("Why", f"Why {n}") for n in range(4)}))
    digests = set()
    for count in (1, 4):
        digests.add(gather(place, tmp_path / f"corpus {count}", workers=shared_workers(count)).digest)
    assert len(digests) == 1


@pytest.fixture
def table(tmp_path: Path) -> Path:
    lines = ["question,answer", *(f"q{n},a{n}" for n in range(100)), "q100,"]
    path = tmp_path / "faq.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_so_many_rows_of_a_file_are_kept_and_the_books_balance(tmp_path: Path, table: Path) -> None:
    def kept(name: str, **changes: Any) -> list[str]:
        corpus = gather(tmp_path / name, tmp_path / f"corpus {name} {changes}", bad_rows=1.0, **changes)
        counts = corpus.manifest.counts
        assert counts["rows"]["read"] == 101
        assert counts["rows"]["examples"] + counts["rows"]["rejects"] + counts["left_out"] == 101
        return [example.origin.at for example in read_examples(corpus.file("examples.parquet"))]

    few, more = kept("faq.csv#10"), kept("faq.csv#20%")
    assert (9 <= len(few) <= 10, 19 <= len(more) <= 20) == (True, True)
    assert set(few) < set(more)
    assert few == kept("faq.csv#10")
    assert kept("faq.csv#10", seed=1) != few
    assert len(kept("faq.csv#5000")) == 100
    assert collect_key([tmp_path / "faq.csv#10"], config=CollectConfig(sources=[])) != collect_key(
        [table], config=CollectConfig(sources=[])
    )


def test_other_lines_do_not_move_a_sample(tmp_path: Path, table: Path) -> None:
    before = gather(tmp_path / "faq.csv#10", tmp_path / "before", bad_rows=1.0)
    table.write_text("question,answer\n" + "".join(f"q{n},a{n}\n" for n in reversed(range(100))) + "q100,\n")
    after = gather(tmp_path / "faq.csv#10", tmp_path / "after", bad_rows=1.0)
    texts = [{str(e)[:60] for e in read_examples(c.file("examples.parquet"))} for c in (before, after)]
    assert texts[0] == texts[1]


def test_so_many_files_of_a_folder_are_kept(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.mkdir()
    for number in range(20):
        (place / f"{number}.txt").write_text(f"Text {number}")
    shutil.copy(place / "3.txt", place / "copy.txt")
    corpus = gather(tmp_path / "data#5", tmp_path / "corpus")
    outcomes = [entry.outcome for entry in rows(corpus).values()]
    assert (outcomes.count("ok"), corpus.manifest.counts["documents"]) == (5, 5)
    assert outcomes.count("ok") + outcomes.count("copy") + outcomes.count("skipped") == 21
    share = gather(tmp_path / "data#25%", tmp_path / "share")
    assert share.manifest.counts["documents"] == 5
    assert "not among the 25% of the files" in next(e.reason for e in rows(share).values() if e.outcome == "skipped")


def test_a_file_that_is_really_named_so_wins(tmp_path: Path) -> None:
    (tmp_path / "faq.csv#10").write_text(FAQ)
    (entry,) = find_files([tmp_path / "faq.csv#10"])
    assert (entry.name, entry.sample) == ("faq.csv#10", None)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.txt").write_text("x")
    assert str(find_files([tmp_path / "data#7"])[0].pool) == "7"


def book(path: Path, **sheets: list[list[Any]]) -> Path:
    work = openpyxl.Workbook()
    work.remove(work.active)
    for name, lines in sheets.items():
        sheet = work.create_sheet(name)
        for line in lines:
            sheet.append(line)
    work.save(path)
    return path


def test_a_workbook_that_holds_no_examples_is_prose(tmp_path: Path) -> None:
    prices = [["Item", "Price"], ["Pump", 7], ["Valve", 3]]
    book(tmp_path / "prices.xlsx", Prices=prices)
    corpus = gather(tmp_path / "prices.xlsx", tmp_path / "corpus")
    (document,) = read_documents(corpus.file("documents.parquet"))
    entry = rows(corpus)["prices.xlsx"]
    assert (entry.outcome, entry.rows, entry.documents, entry.tables) == ("ok", 0, 1, 1)
    assert entry.reader.startswith("sheet:read_document@")
    assert document.grids[0].header == ("Item", "Price")
    book(tmp_path / "faq.xlsx", Faq=[["question", "answer"], ["Why?", "Because."]], Prices=prices)
    with pytest.raises(UserError, match=r"faq\.xlsx!Prices: missing column"):
        gather(tmp_path / "faq.xlsx", tmp_path / "mixed")
    with pytest.raises(UserError, match=r"prices\.xlsx!Prices: missing column"):
        gather(tmp_path / "prices.xlsx", tmp_path / "forced", format="qa")
