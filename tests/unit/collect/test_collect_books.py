"""One row and one outcome for every file, wherever it lies and however often it is there."""

import io
import os
import tarfile
import zipfile
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from shared_workers import shared_workers

from luthier.artifacts.documents import read_documents
from luthier.artifacts.folders import CorpusDir
from luthier.collect.config import CollectConfig
from luthier.collect.confine import Workers
from luthier.collect.formats.detect import MOST_CHARACTERS, sample_rows
from luthier.collect.ledger import Refused, read_files, read_rejects
from luthier.collect.stage import collect
from luthier.collect.walk import find_files
from luthier.records import Reject, Row


def zipped(*members: tuple[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def tarred(*members: tuple[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    return out.getvalue()


def letter(text: str, **files: bytes) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.com", "Pumps"
    message.set_content(text)
    for name, content in files.items():
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name.replace("_", "."))
    return message.as_bytes()


def mailbox(*letters: bytes) -> bytes:
    return b"".join(b"From a@example.com Mon Jan  1 10:00:00 2024\n" + one + b"\n" for one in letters)


def gather(folder: Path, workers: Workers | None = None, **files: bytes | str) -> CorpusDir:
    place = folder / "data"
    place.mkdir()
    for name, content in files.items():
        (place / name).write_bytes(content.encode() if isinstance(content, str) else content)
    config = CollectConfig(sources=["."], accept_losses=True)
    return collect([place], config=config, out=folder / "corpus", workers=workers or shared_workers())


def outcomes(corpus: CorpusDir) -> dict[str, str]:
    entries = read_files(corpus.file("files.parquet"))
    assert len({entry.path for entry in entries}) == len(entries)
    return {entry.path: entry.outcome for entry in entries}


def test_an_archive_of_which_nothing_can_be_read_has_failed_and_its_bytes_are_lost_once(tmp_path: Path) -> None:
    slips = tarred(("../a.txt", "slip"), ("/b.txt", "slip"), (".hidden", "x"))
    inner = zipped(("inner.tar", slips))
    corpus = gather(tmp_path, **{"a.zip": zipped(("b.zip", inner)), "good.txt": "Good.", "mixed.tar": slips[:1024]})
    found = {entry.path: entry for entry in read_files(corpus.file("files.parquet"))}
    assert {name for name, entry in found.items() if entry.outcome == "failed"} == {
        "a.zip", "a.zip!/b.zip", "a.zip!/b.zip!/inner.tar", "mixed.tar", "mixed.tar!/../a.txt",
    }  # fmt: skip
    assert found["a.zip"].reason == "nothing in it can be read: archives in archives are opened 2 deep"
    assert found["mixed.tar"].reason.startswith("nothing in it can be read: ")
    lost = found["a.zip"].size + found["mixed.tar"].size
    assert corpus.manifest.counts["bytes"] == {"counted": lost + 5, "lost": lost}


def test_copies_are_told_in_the_order_of_files_by_any_number_of_workers(tmp_path: Path) -> None:
    files = {"a.zip": zipped(("x.txt", "Same."), ("y.txt", "Mine.")), "b.txt": "Other.", "c.txt": "Same."}
    found = {}
    for count in (1, 4):
        (tmp_path / str(count)).mkdir()
        found[count] = gather(tmp_path / str(count), shared_workers(count), **files)
    assert found[1].digest == found[4].digest
    assert outcomes(found[4]) | {"a.zip!/x.txt": "ok", "c.txt": "copy"} == outcomes(found[4])


def test_only_what_was_read_has_copies(tmp_path: Path) -> None:
    deep = zipped(("deep.txt", "Deep."))
    corpus = gather(
        tmp_path,
        **{
            "a.zip": zipped(("b.zip", zipped(("c.zip", deep), ("d.txt", "Text.")))),
            "deep.zip": deep,
            "notes.what": "# Notes\n",
            "notes2.md": "# Notes\n",
            "old.zip": deep,
        },
    )
    assert outcomes(corpus) == {
        "a.zip": "ok",
        "a.zip!/b.zip": "ok",
        "a.zip!/b.zip!/c.zip": "failed",
        "a.zip!/b.zip!/d.txt": "ok",
        "deep.zip": "ok",
        "deep.zip!/deep.txt": "ok",
        "notes.what": "unsupported",
        "notes2.md": "ok",
        "old.zip": "copy",
    }


def test_members_of_one_name_are_told_apart(tmp_path: Path) -> None:
    twice = tarred(("x/a.txt", "One."), ("x/a.txt", "Two."), ("readme", "One!"), ("readme", "Two!"))
    inner = zipped(("x.txt", "Inner."))
    corpus = gather(tmp_path, **{"t.tar": twice, "z.zip": zipped(("b.zip", inner), ("b.zip!/x.txt", "Outer."))})
    texts = {document.file: document.text for document in read_documents(corpus.file("documents.parquet"))}
    assert texts == {
        "t.tar!/x/a.txt": "One.",
        "t.tar!/x/a (2).txt": "Two.",
        "t.tar!/readme": "One!",
        "z.zip!/b.zip!/x.txt": "Inner.",
        "z.zip!/b.zip!//x.txt": "Outer.",
    }
    assert outcomes(corpus)["t.tar!/readme (2)"] == "unsupported"


def test_letters_in_archives_keep_their_files_and_none_is_read_twice(tmp_path: Path) -> None:
    first, second = letter("It leaks.", note_txt=b"A note."), letter("It leaks no more.")
    deep = letter("Far down.", a_eml=letter("b", b_eml=letter("c", c_eml=letter("d", d_eml=letter("e", x_txt=b"X")))))
    corpus = gather(
        tmp_path,
        **{
            "a.mbox": mailbox(first, second, first),
            "b.mbox": mailbox(second, first),
            "c.zip": zipped(("c.zip", zipped(("first.eml", letter("Packed.", table_txt=b"A table."))))),
            "d.zip": zipped(("deep.eml", deep)),
        },
    )
    found = {entry.path: entry for entry in read_files(corpus.file("files.parquet"))}
    assert (found["a.mbox"].outcome, found["a.mbox"].documents) == ("ok", 2)
    assert "1 of its documents stand in another place too" in found["a.mbox"].reason
    assert (found["b.mbox"].outcome, found["b.mbox"].documents) == ("copy", 0)
    assert found["c.zip!/c.zip!/first.eml!/table.txt"].outcome == "ok"
    deepest = [(entry.outcome, entry.reason) for name, entry in found.items() if "!/d.eml" in name]
    assert deepest == [("ok", ""), ("failed", "lies too deep in other files")]
    ids = [document.id for document in read_documents(corpus.file("documents.parquet"))]
    assert len(set(ids)) == len(ids)


def test_what_cannot_be_opened_has_failed_and_what_is_left_out_is_skipped(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (data / "out.txt").symlink_to(tmp_path / "secret.txt")
    (data / "gone.txt").symlink_to("nothing")
    os.mkfifo(data / "pipe.yaml")
    (data / ".hidden").write_text("x")
    (data / "loop").symlink_to(data)
    (data / "a.txt").write_text("A.")
    corpus = collect([data], config=CollectConfig(sources=["."]), out=tmp_path / "corpus", workers=shared_workers())
    assert outcomes(corpus) == {
        ".hidden": "skipped",
        "a.txt": "ok",
        "gone.txt": "failed",
        "loop": "skipped",
        "out.txt": "failed",
        "pipe.yaml": "failed",
    }


def test_names_are_text_and_never_meet(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_text("x")
    (tmp_path / "caf\\xe9.txt").write_text("x")
    (tmp_path / "a.zip").write_bytes(b"")
    (tmp_path / "a.zip!").mkdir()
    (tmp_path / "a.zip!" / "x.txt").write_text("x")
    (tmp_path / "Read me!").mkdir()
    (tmp_path / "Read me!" / "two\nlines.txt").write_text("x")
    assert [found.name for found in find_files([tmp_path])] == [
        "Read me!/two\\x0alines.txt",
        "a.zip",
        "a.zip!//x.txt",
        "caf\\\\xe9.txt",
        "caf\\xe9.txt",
    ]


def test_any_number_of_refused_rows_is_kept_on_disk_and_some_of_each_kind_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("luthier.collect.ledger.GROUP_CHARACTERS", 100)
    rows = [Reject("a.csv", line, f"cell {line} is bad", "x" * 30, offset=line) for line in range(20)]
    rows += [Reject("b.csv", 1, f"problem {chr(65 + number) * 3}", "y") for number in range(60)]
    with Refused(tmp_path / "rejects.parquet") as refused:
        for row in rows:
            refused.add(row)
    assert read_rejects(tmp_path / "rejects.parquet") == rows
    listed = refused.listed().splitlines()
    assert listed[:6] == [*(f"  a.csv:{line}: cell {line} is bad" for line in range(5)), "  ... and 15 more like these"]
    assert listed[-1] == "  ... and 6 more like these"
    assert (refused.count, len(listed)) == (80, 6 + 49 + 5 + 1)


def test_a_sample_of_long_rows_stays_small() -> None:
    def rows(length: int) -> Any:
        return (Row(at=f"a:{line}", line=line, values={"text": "x" * length}) for line in range(3_000))

    assert len(sample_rows(rows(10))) == 2_000
    for length in (MOST_CHARACTERS // 8, 2 * MOST_CHARACTERS):
        sample = sample_rows(Row(at=f"a:{n}", line=n, values={"text": "x" * length}) for n in range(1_020))
        assert 2 <= sum(len(row.values["text"]) for row in sample) // length <= 16
