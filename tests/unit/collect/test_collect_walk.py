"""Walking and identifying: every file is seen once, and its bytes beat its name."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
import tempfile
import zipfile
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from luthier.artifacts.folders import CorpusDir, building
from luthier.artifacts.lock import run_lock
from luthier.collect.identify import identify
from luthier.collect.walk import find_files
from luthier.errors import NotFoundError, UserError


def names(*sources: Path) -> dict[str, str | None]:
    return {found.name: found.skipped for found in find_files(sources)}


def test_order_is_sorted_and_hidden_files_are_listed(tmp_path: Path) -> None:
    for name in ("b.csv", "a/z.csv", "a/b/c.csv", "B.csv", ".env", ".git/config", "~$book.xlsx"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    found = names(tmp_path)
    assert list(found) == sorted(found)
    assert {name for name, skipped in found.items() if skipped is None} == {"b.csv", "a/z.csv", "a/b/c.csv", "B.csv"}
    assert found[".env"] == found[".git"] == "hidden"
    assert "lock file" in str(found["~$book.xlsx"])


def test_links_are_not_followed_out_and_do_not_loop(tmp_path: Path) -> None:
    inside = tmp_path / "data"
    inside.mkdir()
    (tmp_path / "secret.csv").write_text("x")
    (inside / "a.csv").write_text("x")
    (inside / "same.csv").symlink_to("a.csv")
    (inside / "out.csv").symlink_to(tmp_path / "secret.csv")
    (inside / "up").symlink_to(tmp_path)
    (inside / "loop").symlink_to(inside)
    (inside / "gone.csv").symlink_to("nothing")
    os.mkfifo(inside / "pipe.csv")
    found = names(inside)
    assert found["a.csv"] is None
    assert found["same.csv"] is None
    assert found["out.csv"] == found["up"] == "link that leads out of the folder"
    assert found["loop"] == "link to a folder that is read anyway"
    assert found["gone.csv"] == "link that leads nowhere"
    assert found["pipe.csv"] == "not a regular file"


NOBODY = 65_534


def test_what_may_not_be_opened_is_listed_with_the_reason() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        (place / "locked").mkdir()
        (place / "locked" / "a.txt").write_text("x")
        (place / "project.yaml").write_text("x: 1\n")
        for path in (place / "locked", place / "project.yaml"):
            path.chmod(0)
        was = os.geteuid()
        # The administrator may open everything.
        os.seteuid(NOBODY if was == 0 else was)
        try:
            found = {one.name: (one.skipped, one.is_refused) for one in find_files([place])}
        finally:
            os.seteuid(was)
        (place / "locked").chmod(0o755)
    assert found == {"locked/": ("cannot be opened (Permission denied)", True), "project.yaml": (None, False)}


def test_our_own_folders_and_project_files_are_not_input(tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text("q,a\n1,2\n")
    (tmp_path / "luthier.yaml").write_text("name: x\nobjective: chat\ncollect:\n  sources: [.]\n")
    with building(tmp_path / "corpus", CorpusDir, key="k", settings={}, inputs={}) as draft:
        (draft.path / "t.csv").write_text("x")
    with run_lock(tmp_path / "runs" / "x"):
        (tmp_path / "runs" / "x" / "looks.jsonl").write_text("{}\n")
        assert names(tmp_path) == {"faq.csv": None, "luthier.yaml": "a Luthier project file"}


def test_several_sources_keep_their_names_apart(tmp_path: Path) -> None:
    for folder in ("one/data", "two/data"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.csv").write_text(folder)
    (tmp_path / "extra.csv").write_text("x")
    sources = [tmp_path / "one/data", tmp_path / "two/data", tmp_path / "extra.csv"]
    assert list(names(*sources)) == ["data/a.csv", "data (2)/a.csv", "extra.csv"]


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nowhere: no such file or folder\. Check collect\.sources"):
        find_files([tmp_path / "nowhere"])
    with pytest.raises(UserError, match=r"collect\.sources is empty"):
        find_files([])


def test_bytes_beat_the_name(tmp_path: Path) -> None:
    openpyxl.Workbook().save(tmp_path / "book.csv")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "table")
    (tmp_path / "rows.txt").write_text('{"a": 1}\n{"a": 2}\n')
    (tmp_path / "page.txt").write_text("\n <!DOCTYPE html><html></html>")
    (tmp_path / "plain.csv").write_text("a,b\n1,2\n")
    (tmp_path / "prose.md").write_text("{not json\n")
    expected = {
        "book.csv": "xlsx",
        "table": "parquet",
        "rows.txt": "jsonl",
        "page.txt": "html",
        "plain.csv": "csv",
        "prose.md": "markdown",
    }
    assert {name: identify(tmp_path / name).type for name in expected} == expected
    assert identify(tmp_path / "book.csv").note == "named .csv but holds xlsx"
    assert identify(tmp_path / "rows.txt").note == "named .txt but holds jsonl"
    assert identify(tmp_path / "plain.csv").note == ""


def zipped(**members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return out.getvalue()


def compound(stream: str) -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + stream.encode("utf-16-le") + bytes(90)


MAIL = b"From: a@b.c\nTo: d@e.f\nSubject: pump\nDate: x\n\nText\n"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("doc.pdf", b"%PDF-1.7 ...", "pdf"),
        ("late", b"\n\n%PDF-1.4 ...", "pdf"),
        ("a.docx", zipped(**{"word/document.xml": "<x/>"}), "docx"),
        ("a.pptx", zipped(**{"ppt/presentation.xml": "<x/>"}), "pptx"),
        ("a.ods", zipped(mimetype="application/vnd.oasis.opendocument.spreadsheet"), "ods"),
        ("a.epub", zipped(mimetype="application/epub+zip"), "epub"),
        ("a.zip", zipped(**{"a.txt": "x"}), "zip"),
        ("none.zip", zipped(), "zip"),
        ("a.xls", compound("Workbook"), "xls"),
        ("a.msg", compound("__properties_version1.0"), "msg"),
        ("a.tar", tarred(), "tar"),
        ("a.tar.gz", gzip.compress(tarred(), mtime=0), "gz"),
        ("a.csv.bz2", bz2.compress(b"q,a\n"), "bz2"),
        ("a.xz", lzma.compress(b"text"), "xz"),
        ("notes.rst", b"text", "rst"),
        ("notes.adoc", b"= text", "asciidoc"),
        ("paper.tex", b"\\section{x}", "latex"),
        ("list.json", b'[{"a": 1}]', "json"),
        ("lines.json", b'{"a": 1}\n{"a": 2}\n', "jsonl"),
        ("book.json", b'{"cells": [], "nbformat": 4}', "ipynb"),
        ("book.ipynb", b'{"cells": []}', "ipynb"),
        ("a.eml", MAIL, "eml"),
        ("mail.txt", MAIL, "eml"),
        ("a.mbox", b"From a@b.c Mon Jan  1 00:00:00 2024\n" + MAIL, "mbox"),
        ("ls.1", b'.\\" comment\n.TH LS 1\n.SH NAME\nls\n', "man"),
        ("a.xml", b"<?xml version='1.0'?><article/>", "xml"),
        ("page.xml", b"<?xml version='1.0'?><html xmlns='x'/>", "html"),
        ("a.py", b"def f(): pass\n", "code"),
        ("Makefile", b"all:\n", "code"),
        ("README", b"Read me\n", "text"),
        ("ner.txt", b"Ann B-PER\nsaw O\nBob B-PER\n\nHe O\nran O\n", "conll"),
    ],
)
def test_every_type_is_told_by_its_bytes_or_its_name(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    (tmp_path / name).write_bytes(content)
    identity = identify(tmp_path / name)
    assert (identity.type, identity.problem) == (kind, "")


def test_the_name_of_a_member_counts_and_not_its_place(tmp_path: Path) -> None:
    (tmp_path / "7").write_text("q,a\n1,2\n")
    assert identify(tmp_path / "7", name="a.zip!/dir/x.csv").type == "csv"


def test_what_nobody_reads_has_a_reason(tmp_path: Path) -> None:
    (tmp_path / "junk.csv").write_bytes(os.urandom(4000) + b"\0")
    (tmp_path / "scan.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (tmp_path / "log.1").write_text("started\n")
    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04 broken")
    (tmp_path / "old.docx").write_bytes(compound("WordDocument"))
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(50))
    (tmp_path / "dates.ics").write_text("BEGIN:VCALENDAR\n")
    seen = {path.name: identify(path) for path in tmp_path.iterdir()}
    broken = {name for name, identity in seen.items() if identity.is_broken}
    assert broken == {"junk.csv", "scan.csv", "broken.xlsx", "old.docx"}
    assert {name for name, identity in seen.items() if not identity.problem} == {"dates.ics"}
    assert (seen["old.docx"].type, seen["scan.csv"].type) == ("doc", "png")
    assert seen["dates.ics"].type == "calendar or contacts"
