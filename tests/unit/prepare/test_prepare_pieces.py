"""Prepared in one piece or in many, here or in several processes: the same bytes, and a kill costs a shard."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from prepare_corpora import chat, document, label, write_corpus

import luthier.artifacts.documents as document_tables
import luthier.artifacts.tables as tables
from luthier.artifacts.folders import CorpusDir
from luthier.artifacts.shards import parts_of, plan
from luthier.compute.shards import HERE, Executor, Processes
from luthier.errors import UserError
from luthier.models.bases import Base
from luthier.objectives import objective
from luthier.prepare.clean.config import CleanConfig
from luthier.prepare.config import PrepareConfig, SplitConfig, Target
from luthier.prepare.pieces import ALWAYS_TAKEN, TAKEN_PER_BYTE, Workplace, check_memory, treat_corpus
from luthier.prepare.private.config import PrivateConfig
from luthier.prepare.private.pseudonym import PseudonymKey
from luthier.prepare.stage import SHARDS, prepare
from luthier.prepare.treat import Recipe, Treated
from luthier.records import Document, Example, nobody_listens

KEY = PseudonymKey(b"k" * 32)
ROWS: list[Example] = [
    chat(f"What does code K{number} mean? Ask jane{number}@example.org.", f"Finding nÃºmber {number}", line=number + 2)
    for number in range(60)
]
PAGES: list[Document] = [
    document(
        number,
        f"# Pump {number}\n\nThe pÃºmp holds {number} litres; write to jane{number}@example.org.\n\n"
        f"Printed by the office of pumps, page {number}.\n\nOil number {number} is changed in month {number}.",
        headings=((0, 1, f"Pump {number}"),),
    )
    for number in range(60)
]


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups of ten, so that a small corpus has many shards."""
    monkeypatch.setattr(tables, "GROUP_ROWS", 10)
    monkeypatch.setattr(document_tables, "GROUP_ROWS", 10)


def recipe(name: str, **private: object) -> Recipe:
    config = PrivateConfig.model_validate(private)
    return Recipe(objective(name), CleanConfig().thresholds(), config, KEY, Path())


def treated(corpus: CorpusDir, how: Recipe, *, store: Path, aim: int, executor: Executor = HERE) -> list[Treated]:
    place = Workplace(store, executor, aim=aim)
    return treat_corpus(corpus, how, place=place, listener=nobody_listens)


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("name", ["chat", "classify", "complete"])
def test_many_shards_are_read_back_as_what_one_piece_becomes(tmp_path: Path, name: str) -> None:
    labels: Sequence[Example] = [label("", "empty", line=90), label("A text", "Class", line=91)]
    corpus = write_corpus(tmp_path / "corpus", [*ROWS, *labels], PAGES)
    assert len(plan(parts_of(corpus.path, ["examples.parquet", "documents.parquet"]), aim=1)) == 13
    whole = treated(corpus, recipe(name), store=tmp_path / "none", aim=1 << 30)
    shards = treated(corpus, recipe(name), store=tmp_path / "store", aim=1)
    assert not (tmp_path / "none").exists()
    assert shards == whole


@pytest.mark.usefixtures("small_groups")
def test_finished_shards_are_taken_as_they_are_and_other_settings_make_others(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", ROWS)
    store = tmp_path / "store"
    first = treated(corpus, recipe("chat"), store=store, aim=1)
    made = _bytes_below(store)
    times = {path: path.stat().st_mtime_ns for path in sorted(store.rglob("*.parquet"))}
    (broken,) = list(store.rglob("notes.parquet"))[:1]
    broken.write_bytes(b"torn")
    assert treated(corpus, recipe("chat"), store=store, aim=1) == first
    assert _bytes_below(store) == made
    again = {path for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert {path.parent for path in again} == {broken.parent}
    reporting = recipe("chat", actions={"email": "report"})
    assert treated(corpus, reporting, store=store, aim=1) != first
    assert len(_bytes_below(store)) == 2 * len(made)


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("name", ["chat", "complete"])
def test_one_process_and_several_make_the_same_dataset(
    tmp_path: Path, base: Base, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("luthier.prepare.stage.AIM", 1)
    corpus = write_corpus(tmp_path / "corpus", ROWS, PAGES)
    target = Target(base, objective(name), KEY, tmp_path)
    config = PrepareConfig(split=SplitConfig(group_by="question"))
    digests = []
    for number, executor in enumerate((HERE, Processes(2))):
        out = tmp_path / f"run{number}"
        made = prepare(corpus, target=target, config=config, out=out, executor=executor)
        digests.append((made.dataset.digest, made.exam.digest))
        assert not (out / SHARDS).exists()
    assert digests[0] == digests[1]


def test_raw_values_do_not_reach_the_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "GROUP_ROWS", 10)
    corpus = write_corpus(tmp_path / "corpus", ROWS)
    treated(corpus, recipe("chat"), store=tmp_path / "store", aim=1)
    for path in (tmp_path / "store").rglob("*.parquet"):
        assert "@example.org" not in str(pq.read_table(path).to_pylist())


def test_a_corpus_that_does_not_fit_is_refused_with_the_part_that_does(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", ROWS, PAGES)
    parts = parts_of(corpus.path, ["examples.parquet", "documents.parquet"])
    size = sum(part.size for part in parts)
    needed = ALWAYS_TAKEN + TAKEN_PER_BYTE * size
    check_memory(corpus, free=None)
    check_memory(corpus, free=needed)
    with pytest.raises(UserError, match=r"120 rows and documents.* '#60' behind a name"):
        check_memory(corpus, free=ALWAYS_TAKEN + TAKEN_PER_BYTE * size // 2)


def _bytes_below(folder: Path) -> Mapping[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
