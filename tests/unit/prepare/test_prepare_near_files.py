"""Near-duplicates in Parquet files: the same bytes whoever works on the shards, and nothing is done twice."""

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.artifacts.tables import read_table
from luthier.compute.shards import Processes, Task
from luthier.errors import UserError
from luthier.prepare.dedup.candidates import NearPair, Pairs, near_pairs
from luthier.prepare.dedup.clusters import cluster, find_stars, rank
from luthier.prepare.dedup.files import KEPT, REMOVED, Counted, drop_near_copies
from luthier.prepare.dedup.matching import matching_copy
from luthier.prepare.dedup.signature import sign
from luthier.prepare.dedup.store import StoredSignatures, write_signed


def texts_of(seed: int, *, count: int) -> list[str]:
    """Texts, half of them edits of others."""
    dice = random.Random(seed)
    made: list[list[str]] = []
    for _ in range(count):
        words = (
            list(dice.choice(made)) if made and dice.random() < 0.5 else [f"w{dice.randrange(900)}" for _ in "x" * 60]
        )
        words[dice.randrange(60)] = f"New{dice.randrange(900)}."
        made.append(words)
    return [" ".join(words) for words in made]


def write_files(folder: Path, texts: Sequence[str], *, files: int = 3) -> Path:
    folder.mkdir()
    for number in range(files):
        mine = range(number, len(texts), files)
        table = pa.table({"id": [f"{place:03}" for place in mine], "text": [texts[place] for place in mine]})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=7)
    return folder


def written(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


class Broken:
    """An executor that breaks off after some tasks, and counts them."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.done: list[str] = []

    def run(self, job: Callable[[Task[Any]], None], tasks: Sequence[Task[Any]]) -> Iterator[None]:
        for task in tasks:
            if len(self.done) == self.after:
                raise KeyboardInterrupt
            job(task)
            self.done.append(task.key)
            yield


def test_files_say_what_pairs_and_stars_say(tmp_path: Path) -> None:
    texts = texts_of(0, count=60)
    done = drop_near_copies(write_files(tmp_path / "in", texts), out=tmp_path / "out")
    ids = [f"{place:03}" for place in range(60)]
    ranks = rank(ids, lengths=[len(text) for text in texts])
    wanted = cluster(near_pairs([matching_copy(text) for text in texts], ranks=ranks), ids=ids, ranks=ranks)
    removed = read_table(tmp_path / "out" / REMOVED)
    assert sorted(row["id"] for row in read_table(tmp_path / "out" / KEPT)) == wanted.kept
    assert [(row["id"], row["representative"], row["jaccard"]) for row in removed] == [
        (one.id, one.representative, one.jaccard) for one in wanted.removed
    ]
    assert done == Counted(kept=len(wanted.kept), removed=len(wanted.removed))
    assert len(removed) > 5
    assert sorted(written(tmp_path / "out")) == [KEPT, REMOVED]


def test_processes_write_the_same_bytes(tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", texts_of(1, count=90))
    drop_near_copies(source, out=tmp_path / "one")
    drop_near_copies(source, out=tmp_path / "two", executor=Processes(2))
    assert written(tmp_path / "one") == written(tmp_path / "two")


def test_what_was_finished_is_not_done_again(tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", texts_of(2, count=40))
    drop_near_copies(source, out=tmp_path / "unbroken")
    with pytest.raises(KeyboardInterrupt):
        drop_near_copies(source, out=tmp_path / "out", executor=(first := Broken(after=1)))
    drop_near_copies(source, out=tmp_path / "out", executor=(second := Broken(after=9)))
    assert len(first.done) == 1
    assert len(second.done) == 2
    assert not set(first.done) & set(second.done)
    assert written(tmp_path / "out") == written(tmp_path / "unbroken")
    drop_near_copies(source, out=tmp_path / "out", executor=Broken(after=0))


def test_a_changed_file_is_done_again(tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", texts_of(3, count=40))
    with pytest.raises(KeyboardInterrupt):
        drop_near_copies(source, out=tmp_path / "out", executor=Broken(after=2))
    table = pq.read_table(source / "0.parquet")
    pq.write_table(table.slice(1), source / "0.parquet", row_group_size=7)
    drop_near_copies(source, out=tmp_path / "out", executor=(again := Broken(after=9)))
    assert len(again.done) == 2


def test_columns_have_names_and_no_holes(tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", ["a text", "another"], files=1)
    with pytest.raises(UserError, match=r"0\.parquet: no column 'body', only id, text\."):
        drop_near_copies(source, out=tmp_path / "out", text_column="body")
    pq.write_table(pa.table({"id": ["a", "b"], "text": ["a text", None]}), source / "1.parquet")
    with pytest.raises(UserError, match=r"1\.parquet: empty cells in column 'text'"):
        drop_near_copies(source, out=tmp_path / "out")
    with pytest.raises(UserError, match="no Parquet files"):
        drop_near_copies(tmp_path / "out", out=tmp_path / "out2")


def test_no_rows(tmp_path: Path) -> None:
    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    pq.write_table(schema.empty_table(), tmp_path / "none.parquet")
    assert drop_near_copies(tmp_path / "none.parquet", out=tmp_path / "out") == Counted(kept=0, removed=0)
    assert read_table(tmp_path / "out" / KEPT) == read_table(tmp_path / "out" / REMOVED) == []


def test_signatures_are_read_as_they_were_written(tmp_path: Path) -> None:
    texts = texts_of(4, count=50)
    whole, parts = sign(texts), [texts[:1], texts[1:30], texts[30:]]
    folders = [tmp_path / name for name in "abc"]
    for folder, part in zip(folders, parts, strict=True):
        folder.mkdir()
        write_signed(folder, (sign(part[start : start + 9]) for start in range(0, len(part), 9)))
    stored = StoredSignatures(folders)
    assert np.array_equal(np.stack(list(stored.bands())), whole.keys)
    assert np.array_equal(stored.prints, whole.prints)
    assert np.array_equal(stored.codes.numbers, whole.codes.numbers)
    some = np.array([0, 1, 7, 29, 30, 49])
    for text, found in zip(some.tolist(), stored.shingles(some), strict=True):
        assert np.array_equal(found, whole.shingles.of(text))


@given(st.data(), st.integers(1, 12))
def test_stars_are_those_of_one_text_after_another(data: st.DataObject, count: int) -> None:
    numbers = st.integers(0, count - 1)
    drawn = data.draw(st.dictionaries(st.tuples(numbers, numbers), st.sampled_from([0.7, 0.8, 0.9]), max_size=30))
    pairs = [NearPair(a, b, jaccard) for (a, b), jaccard in sorted(drawn.items()) if a < b]
    ranks = np.array(data.draw(st.permutations(range(count))))
    near = {frozenset((pair.a, pair.b)): pair.jaccard for pair in pairs if pair.jaccard >= 0.8}
    centres: dict[int, int] = {}
    for text in np.argsort(ranks).tolist():
        takers = [other for other in centres if centres[other] == other and frozenset((text, other)) in near]
        centres[text] = min(takers, key=lambda one: int(ranks[one]), default=text)
    stars = find_stars(Pairs.of(pairs), ranks=ranks)
    assert stars.centres.tolist() == [centres[text] for text in range(count)]
    assert stars.jaccard.tolist() == [near.get(frozenset((text, centres[text])), 1.0) for text in range(count)]
