"""The stage: every file and row has one outcome, counts balance, and what is bad stops the run with a remedy."""

import csv
import io
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_workers import shared_workers

from luthier.artifacts.canonical import sha256_of_file
from luthier.artifacts.documents import read_documents
from luthier.artifacts.folders import CorpusDir
from luthier.artifacts.rows import read_examples
from luthier.collect.config import CollectConfig, collect_key
from luthier.collect.ledger import OUTCOMES, read_files, read_rejects
from luthier.collect.stage import collect
from luthier.config import load_settings
from luthier.errors import UserError
from luthier.pipeline.project import ProjectConfig
from luthier.records import Chat, Tick

EXAMPLE = Path(__file__).parents[3] / "examples" / "medical-coding"


def config(**changes: Any) -> CollectConfig:
    return CollectConfig(sources=["."], **changes)


def gather(folder: Path, **changes: Any) -> CorpusDir:
    out = folder.parent / f"{folder.name}-corpus"
    return collect([folder], config=config(**changes), out=out, workers=shared_workers())


def outcomes(corpus: CorpusDir) -> dict[str, str]:
    return {entry.path: entry.outcome for entry in read_files(corpus.file("files.parquet"))}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "data"
    place.mkdir()
    (place / "faq.csv").write_text("question,answer,customer\nWhy?,Because.,7\nHow?,So.,8\n")
    return place


def test_every_file_has_an_outcome_and_the_counts_balance(folder: Path) -> None:
    (folder / "copy.csv").write_bytes((folder / "faq.csv").read_bytes())
    (folder / "empty.csv").touch()
    (folder / "header.csv").write_text("question,answer\n")
    (folder / "old.csv").write_bytes("question,answer\nGröße?,Üppig.\nMaß?,Voll.\n".encode("latin-1"))
    (folder / "guide.md").write_text("# Guide\n\nRead me.\n")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0tiny")
    (folder / ".hidden").write_text("x")
    corpus = gather(folder)
    assert outcomes(corpus) == {
        ".hidden": "skipped", "copy.csv": "ok", "empty.csv": "empty", "faq.csv": "copy", "guide.md": "ok",
        "header.csv": "empty", "old.csv": "ok", "photo.jpg": "unsupported",
    }  # fmt: skip
    counts = corpus.manifest.counts
    assert counts["files"]["seen"] == 8 == sum(counts["files"][name] for name in OUTCOMES)
    assert counts["rows"] == {"read": 4, "examples": 4, "rejects": 0}
    assert counts["documents"] == 1
    assert {kind: count for kind, count in counts["examples"].items() if count} == {"chat": 4}
    reasons = {entry.path: entry.reason for entry in read_files(corpus.file("files.parquet"))}
    assert reasons["old.csv"] == "not UTF-8; read as cp1252"
    assert reasons["faq.csv"] == "same bytes as copy.csv"
    examples = list(read_examples(corpus.file("examples.parquet")))
    assert examples[0].origin.at == "copy.csv:2"
    assert examples[0].origin.columns == {"customer": "7"}
    (prose,) = read_documents(corpus.file("documents.parquet"))
    assert (prose.file, prose.title, prose.text) == ("guide.md", "Guide", "# Guide\n\nRead me.\n")
    assert prose.id == sha256_of_file(folder / "guide.md")
    assert any(isinstance(example, Chat) and example.messages[1].content == "Üppig." for example in examples)


def test_same_files_elsewhere_make_the_same_bytes_and_nothing_is_done_twice(folder: Path, tmp_path: Path) -> None:
    first = gather(folder)
    elsewhere = tmp_path / "other" / "place"
    shutil.copytree(folder, elsewhere)
    second = gather(elsewhere)
    assert (second.digest, second.manifest.key) == (first.digest, first.manifest.key)
    ticks: list[Tick] = []
    again = collect([folder], config=config(), out=first.path, listener=ticks.append)
    assert (again.digest, ticks) == (first.digest, [])
    assert collect_key([folder], config=config()) == first.manifest.key
    assert collect_key([folder], config=CollectConfig(sources=[str(folder)])) == first.manifest.key
    assert collect_key([folder], config=config(bad_rows=0.5)) != first.manifest.key
    (folder / "faq.csv").write_text("question,answer\nWhy?,Therefore.\n")
    assert collect_key([folder], config=config()) != first.manifest.key


def test_progress_counts_files(folder: Path) -> None:
    ticks: list[Tick] = []
    collect([folder], config=config(), out=folder.parent / "out", listener=ticks.append)
    assert ticks == [Tick("collect", 0, 1, "faq.csv"), Tick("collect", 1, 1)]


def refused(folder: Path, **changes: Any) -> str:
    """The message of a run that must stop, and leave nothing behind."""
    before = set(folder.parent.iterdir())
    with pytest.raises(UserError) as caught:
        gather(folder, **changes)
    assert set(folder.parent.iterdir()) == before
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_an_empty_folder_stops(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.mkdir()
    assert "no files to read" in refused(place)
    (place / ".DS_Store").write_text("x")
    assert ".DS_Store (hidden)" in refused(place)
    (place / "nothing.csv").touch()
    assert "nothing.csv: empty: no bytes" in refused(place)


def test_bad_rows_stop_above_the_limit_and_are_listed(folder: Path) -> None:
    good = [f"q{number},a{number}" for number in range(93)]
    (folder / "faq.csv").write_text("\n".join(["question,answer", *good, *["x,"] * 6, "1,2,3"]) + "\n")
    message = refused(folder)
    assert "7 of 100 rows are bad (7.0%; accepted are 1.0%)" in message
    for line in range(95, 100):
        assert f"faq.csv:{line}: answer is empty" in message
    assert "faq.csv:100: answer is empty" not in message
    assert "... and 1 more like these" in message
    assert "faq.csv:101: 3 cells where the header has 2" in message
    limit = float(message.rpartition("collect.bad_rows: ")[2])
    corpus = gather(folder, bad_rows=limit)
    assert outcomes(corpus) == {"faq.csv": "partial"}
    assert [bad.line for bad in read_rejects(corpus.file("rejects.parquet"))] == list(range(95, 102))


def test_a_file_without_a_good_row_stops_even_if_it_is_small(folder: Path) -> None:
    (folder / "big.csv").write_text("question,answer\n" + "".join(f"q{n},a{n}\n" for n in range(500)))
    (folder / "bad.csv").write_text("question,answer\nWhy?,\n")
    assert refused(folder).startswith("bad.csv: no good row.\n  bad.csv:2: answer is empty")


def test_lost_bytes_stop_unless_accepted(folder: Path) -> None:
    (folder / "junk.csv").write_bytes(b"\0\x01\x02" * 100)
    message = refused(folder)
    assert "junk.csv: failed: named .csv but holds binary data" in message
    assert "collect.accept_losses: true" in message
    assert outcomes(gather(folder, accept_losses=True)) == {"faq.csv": "ok", "junk.csv": "failed"}


def test_a_missing_column_stops(folder: Path) -> None:
    (folder / "other.csv").write_text("Frage,Antwort\nWarum?,Darum.\n")
    message = refused(folder)
    assert message.startswith("other.csv: missing column. Found: 'Frage', 'Antwort'.")
    corpus = gather(folder, columns={"question": "Frage", "answer": ["Antwort"]})
    assert corpus.manifest.counts["rows"]["examples"] == 3
    assert "Did you mean 'Frage'" in refused(folder, columns={"question": ["Frage"], "answer": "Antwort", "x": "frge"})


def test_the_example_collects_as_its_readme_says(tmp_path: Path) -> None:
    project = load_settings(ProjectConfig, EXAMPLE / "luthier.yaml")
    corpus = collect([EXAMPLE / "data"], config=project.collect, out=tmp_path / "corpus")
    counts = corpus.manifest.counts
    assert counts["rows"] == {"read": 4422, "examples": 4404, "rejects": 18}
    assert counts["files"] | {"partial": 4, "copy": 1} == counts["files"]
    examples = list(read_examples(corpus.file("examples.parquet")))
    categories = {example.origin.columns["code"][:3] for example in examples}
    assert len(categories) >= 1200
    answers = Counter(e.messages[-1].content if isinstance(e, Chat) else getattr(e, "label", "") for e in examples)
    assert len(answers) == 22
    lines = {str(bad).split(": ")[0] for bad in read_rejects(corpus.file("rejects.parquet"))}
    assert {"coding_desk_2024.csv:406", "coding_desk_2024.csv:911", "helpdesk.jsonl:501"} <= lines
    assert {str(bad.line) for bad in read_rejects(corpus.file("rejects.parquet")) if "!" in bad.file}
    classify = load_settings(ProjectConfig, EXAMPLE / "classify.yaml")
    assert classify.collect.columns == project.collect.columns


CELL = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], include_characters="\n"), max_size=8)
GOOD = st.tuples(CELL.filter(str.strip), CELL.filter(str.strip))
ROW = st.one_of(GOOD.map(lambda pair: ("good", *pair)), CELL.map(lambda text: ("empty answer", text or "q", " ")))


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["csv", "jsonl"]), st.lists(ROW, min_size=1, max_size=8)), min_size=1, max_size=4
    )
)
def test_any_folder_balances_and_bad_rows_keep_their_lines(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[str, list[tuple[str, str, str]]]]
) -> None:
    place = tmp_path_factory.mktemp("any") / "data"
    place.mkdir()
    planted: set[tuple[str, int]] = set()
    total = 0
    for number, (kind, rows) in enumerate(files):
        # One good row, so that the file is not barren; the number, so that no two files are equal.
        rows = [("good", f"q{number}", "a"), *rows]
        name = f"{number}.{kind}"
        total += len(rows)
        write = write_csv if kind == "csv" else write_jsonl
        planted |= {(name, line) for line in write(place / name, rows)}
    corpus = gather(place, bad_rows=1.0)
    counts = corpus.manifest.counts
    assert counts["rows"] == {"read": total, "examples": total - len(planted), "rejects": len(planted)}
    assert {(bad.file, bad.line) for bad in read_rejects(corpus.file("rejects.parquet"))} == planted
    ats = [example.origin.at for example in read_examples(corpus.file("examples.parquet"))]
    assert len(set(ats)) == len(ats) == total - len(planted)


def write_csv(path: Path, rows: list[tuple[str, str, str]]) -> list[int]:
    """Write a CSV and give the physical lines of the bad rows."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["question", "answer"])
    bad = []
    for kind, question, answer in rows:
        if kind != "good":
            bad.append(out.getvalue().count("\n") + 1)
        writer.writerow([question, answer])
    path.write_bytes(out.getvalue().encode("utf-8"))
    return bad


def write_jsonl(path: Path, rows: list[tuple[str, str, str]]) -> list[int]:
    path.write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for _, q, a in rows))
    return [line for line, (kind, _, _) in enumerate(rows, start=1) if kind != "good"]
