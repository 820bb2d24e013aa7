"""A folder of hostile files among good ones: every hostile file costs itself, and nothing else."""

from collections import defaultdict
from pathlib import Path

import pytest
from hostile_files import write_hostile_files

from luthier.artifacts.documents import read_documents
from luthier.artifacts.rows import read_examples
from luthier.collect.config import CollectConfig
from luthier.collect.ledger import Entry, read_files
from luthier.collect.stage import collect
from luthier.records import Chat

ENDS = {"failed", "unsupported", "partial", "skipped", "empty"}
HARMLESS = {
    "aliases.md": "front matter is not expanded",
    "remote.xml": "what it points to is never fetched",
    "slip.eml": "the name is cut to its last part",
}
"""Hostile to other readers only -> why; they may be read."""
MOST_GROWTH = 50 << 20
DEEP = 100


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict[str, list[Entry]], Path, int]:
    """Names of the hostile files, ledger rows by top-level file, the corpus, and how much this process grew."""
    folder = tmp_path_factory.mktemp("hostile")
    names = write_hostile_files(folder)
    good = {
        "a.csv": "question,answer\nWhy?,Because.\n",
        "n.txt": "In the middle.\n",
        "z.md": "# Last\n\nAll is well.\n",
    }
    for name, content in good.items():
        (folder / name).write_text(content)
    config = CollectConfig(sources=["."], accept_losses=True, bad_rows=1.0)
    before = resident()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("luthier.collect.session.MOST_ENTRIES", DEEP)
        # A file in which every row is bad stops a run on purpose; here it is one of many.
        patch.setattr("luthier.collect.stage.check_corpus", lambda *_, **__: None)
        corpus = collect([folder], config=config, out=tmp_path_factory.mktemp("out") / "corpus")
    grown = resident() - before
    rows = defaultdict(list)
    for entry in read_files(corpus.file("files.parquet")):
        rows[entry.path.split("!/")[0]].append(entry)
    return names, dict(rows), corpus.path, grown


def test_every_hostile_file_ends_as_a_row_with_a_reason(
    read: tuple[list[str], dict[str, list[Entry]], Path, int],
) -> None:
    names, rows, _, _ = read
    assert len(names) >= 60
    unharmed = [name for name in names if name not in HARMLESS and not any(row.outcome in ENDS for row in rows[name])]
    assert unharmed == []
    assert [row.path for found in rows.values() for row in found if row.outcome in ENDS and not row.reason] == []


def test_nothing_of_another_file_is_ever_read(read: tuple[list[str], dict[str, list[Entry]], Path, int]) -> None:
    _, _, corpus, _ = read
    texts = [document.text for document in read_documents(corpus / "documents.parquet")]
    assert not any("root:" in text or "lollol" in text for text in texts)


def test_the_other_files_are_read_unharmed(read: tuple[list[str], dict[str, list[Entry]], Path, int]) -> None:
    _, rows, corpus, _ = read
    assert {name: rows[name][0].outcome for name in ("a.csv", "n.txt", "z.md")} == dict.fromkeys(
        ("a.csv", "n.txt", "z.md"), "ok"
    )
    texts = {document.file: document.text for document in read_documents(corpus / "documents.parquet")}
    assert (texts["n.txt"], texts["z.md"]) == ("In the middle.\n", "# Last\n\nAll is well.\n")
    first = next(example for example in read_examples(corpus / "examples.parquet") if example.origin.file == "a.csv")
    assert isinstance(first, Chat)
    assert first.messages[1].content == "Because."


def test_an_archive_of_too_many_members_is_read_in_part(
    read: tuple[list[str], dict[str, list[Entry]], Path, int],
) -> None:
    _, rows, _, _ = read
    archive, *members = rows["many.zip"]
    assert (archive.outcome, archive.members, len(members)) == ("partial", DEEP, DEEP)
    assert archive.reason == f"only the first {DEEP} members were unpacked"


def test_memory_hardly_grows(read: tuple[list[str], dict[str, list[Entry]], Path, int]) -> None:
    *_, grown = read
    assert grown < MOST_GROWTH
