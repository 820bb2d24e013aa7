"""Walking and identifying: every file is seen once, and its bytes beat its name."""

import os
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


def test_what_nobody_reads_has_a_reason(tmp_path: Path) -> None:
    (tmp_path / "junk.csv").write_bytes(os.urandom(4000) + b"\0")
    (tmp_path / "scan.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (tmp_path / "doc.pdf").write_bytes(b"%PDF-1.7 ...")
    (tmp_path / "notes.rst").write_text("text")
    (tmp_path / "list.json").write_text('[{"a": 1}]')
    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04 broken")
    with zipfile.ZipFile(tmp_path / "report.docx", "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    seen = {path.name: identify(path) for path in tmp_path.iterdir()}
    broken = {name for name, identity in seen.items() if identity.is_broken}
    assert broken == {"junk.csv", "scan.csv", "broken.xlsx"}
    assert all(identity.problem for identity in seen.values())
    assert "JSON Lines" in seen["list.json"].problem
    assert (seen["report.docx"].type, seen["doc.pdf"].type, seen["scan.csv"].type) == ("docx", "pdf", "png")
