"""Near-duplicates: pairs against the exact similarity of all pairs, and clusters that never chain."""

import random
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.artifacts.tables import read_table, write_table
from luthier.prepare.dedup import candidates, signature
from luthier.prepare.dedup.candidates import NearPair, near_pairs
from luthier.prepare.dedup.clusters import Removed, cluster, rank
from luthier.prepare.dedup.files import KEPT, REMOVED, Counted, drop_near_copies
from luthier.prepare.dedup.matching import Copies, copies_of, joined, matching_copy
from luthier.prepare.dedup.shingles import BLOCK, LONGEST_WORD, Shingles, shingles_of, word_windows, words_of
from luthier.prepare.dedup.signature import are_near


def encoded(copies: list[str]) -> list[bytes]:
    return [copy.encode() for copy in copies]


def shingles(copies: Copies) -> Shingles:
    return shingles_of(copies, words_of(copies))


def shingle_set(copy: str) -> set[str]:
    words = copy.split(" ")
    if len(words) >= 5 and 3 * len(re.findall("[\u4e00-\u9fff]", copy)) < len(copy):
        return {" ".join(words[start : start + 5]) for start in range(len(words) - 4)}
    return {copy[start : start + 8] for start in range(max(1, len(copy) - 7))}


def similarity(left: str, right: str) -> float:
    first, second = shingle_set(left), shingle_set(right)
    return len(first & second) / len(first | second)


def family(seed: int, *, size: int, words: int = 60) -> list[str]:
    """One text and edits of it, some of them edits of edits."""
    dice = random.Random(seed)
    made = [[f"w{dice.randrange(500)}" for _ in range(words)]]
    for _ in range(size - 1):
        copy = list(dice.choice(made))
        for _ in range(dice.randrange(4)):
            copy[dice.randrange(words)] = f"new{dice.randrange(500)}"
        made.append(copy)
    return [" ".join(one) for one in made]


@given(st.lists(st.text("aB1 -.,#%_\t\x1cé(", max_size=12), max_size=6))
def test_many_copies_are_made_as_one_is(texts: list[str]) -> None:
    if texts:
        many = copies_of(texts)
        assert [many.of(text) for text in range(len(many))] == encoded([matching_copy(text) for text in texts])


@given(st.lists(st.text("ab1 é漢。", max_size=40).map(matching_copy), min_size=1, max_size=12))
@settings(deadline=None)
def test_shingles_are_counted_like_sets_of_text(copies: list[str]) -> None:
    found = shingles(joined(encoded(copies)))
    assert [len(found.of(text)) for text in range(len(copies))] == [len(shingle_set(copy)) for copy in copies]
    for left, right in combinations(range(len(copies)), 2):
        if shingle_set(copies[left]) == shingle_set(copies[right]):
            assert found.of(left).tolist() == found.of(right).tolist()


def test_long_texts_and_long_words_are_taken_in_pieces() -> None:
    long = " ".join(f"w{number}" for number in range(BLOCK))
    monster = "x" * (2 * BLOCK)
    texts = [long, "one two three four five six", f"a b c d {monster} e"]
    whole = shingles(joined(encoded(texts)))
    assert len(whole.of(0)) == BLOCK - 4
    for place, text in enumerate(texts):
        assert whole.of(place).tolist() == shingles(joined([text.encode()])).of(0).tolist()
    assert len(whole.of(2)) < 2 * BLOCK // LONGEST_WORD


@given(st.lists(st.text("ab\0é", min_size=1, max_size=20), min_size=1, max_size=8))
def test_words_have_one_hash_each(words: list[str]) -> None:
    found = word_windows(" ".join(words).encode(), width=1).tolist()
    assert len(set(found)) == len(set(words))
    assert found == [word_windows(word.encode(), width=1)[0] for word in words]


def test_pairs_are_those_of_exact_similarity() -> None:
    copies = [one for seed in range(20) for one in family(seed, size=8)]
    copies = list(dict.fromkeys(copies))
    random.Random(0).shuffle(copies)
    wanted = {
        (a, b): similarity(copies[a], copies[b])
        for a, b in combinations(range(len(copies)), 2)
        if similarity(copies[a], copies[b]) >= 0.7
    }
    found = {(pair.a, pair.b): pair.jaccard for pair in near_pairs(copies)}
    assert len(wanted) > 40
    assert found == wanted


def test_order_changes_nothing() -> None:
    copies = [one for seed in range(10) for one in dict.fromkeys(family(seed, size=6))]
    order = random.Random(1).sample(range(len(copies)), len(copies))
    first, second = near_pairs(copies), near_pairs([copies[place] for place in order])
    assert {frozenset((pair.a, pair.b)) for pair in first} == {
        frozenset((order[pair.a], order[pair.b])) for pair in second
    }


def test_the_size_of_pieces_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    copies = [one for seed in range(6) for one in family(seed, size=8)]
    whole = near_pairs(copies)
    monkeypatch.setattr(candidates, "JUDGED", 7)
    monkeypatch.setattr(candidates, "MOST_SHINGLES", 150)
    monkeypatch.setattr(candidates, "HELD", 1)
    monkeypatch.setattr(signature, "BATCH", 1_000)
    assert near_pairs(copies) == whole


def test_short_texts_with_other_numbers_are_no_pair() -> None:
    copies = [
        "restart pump 3",
        "restart pump 4",
        "restart pump 3 now",
        "wählen sie das ventil v-12 an der großen anlage und drehen sie es langsam zu",
        "wählen sie das ventil v-13 an der großen anlage und drehen sie es langsam zu",
        "重启三号泵站的主电机并检查压力表3和阀门",
        "重启三号泵站的主电机并检查压力表4和阀门",
        "重启三号泵站的主电机并检查压力表3和阀门吧",
    ]
    assert {(pair.a, pair.b) for pair in near_pairs(copies, threshold=0.5)} == {(0, 2), (5, 7)}


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("vitamin c", "vitamin e", False),
        ("hepatitis a", "hepatitis e", False),
        ("diabetes of type i", "diabetes of type v", False),
        ("is hepatitis a a disease of the liver", "is hepatitis e a disease of the liver", False),
        ("витамин а", "витамин с", False),
        ("is hepatitis c a disease of the liver", "is hepatitis c disease of the liver", True),
        ("is the patient s temperature high", "is the patients temperature high", True),
        ("el paciente tiene fiebre y tos", "el paciente tiene fiebre tos", True),
        ("il paziente ha febbre e tosse", "il paziente ha febbre e la tosse", True),
    ],
)
def test_one_letter_may_decide(one: str, other: str, near: bool) -> None:
    rest = "as far as anybody can tell from here"
    assert are_near(f"{one} {rest}", f"{other} {rest}", threshold=0.2) == near


def test_one_letter_may_decide_in_scripts_without_spaces() -> None:
    one = "维生素c的每日推荐摄入量是多少"
    assert not are_near(one, one.replace("c", "e"), threshold=0.2)
    assert are_near(one, one.replace("c", ""), threshold=0.2)


def test_equal_texts_pair_with_the_best() -> None:
    pairs = near_pairs(["a b c d e f", "x y z", "a b c d e f", "a b c d e f"], ranks=np.array([1, 3, 0, 2]))
    assert pairs == [NearPair(0, 2, 1.0), NearPair(2, 3, 1.0)]


def test_no_texts_no_pairs() -> None:
    assert near_pairs([]) == []


def test_a_crowd_meets_representatives_only() -> None:
    body = " ".join(f"w{number}" for number in range(100))
    copies = [f"{body} tail{number}" for number in range(1_200)]
    ids = [f"{number:04}" for number in range(1_200)]
    ranks = rank(ids, lengths=[len(one) for one in copies])
    pairs = near_pairs(copies, ranks=ranks)
    assert len(pairs) < 5 * len(copies)
    assert cluster(pairs, ids=ids, ranks=ranks).kept == ["1000"]


def test_stars_do_not_chain() -> None:
    pairs = [NearPair(0, 1, 0.9), NearPair(1, 2, 0.85), NearPair(2, 3, 0.8), NearPair(3, 4, 0.75)]
    clusters = cluster(pairs, ids=list("abcde"), ranks=np.array([1, 0, 2, 3, 4]))
    assert clusters.kept == ["b", "d", "e"]
    assert clusters.removed == [Removed("a", "b", 0.9), Removed("c", "b", 0.85)]


def test_the_best_then_the_longest_then_the_smallest_stays() -> None:
    assert rank(["a", "b"], lengths=[1, 2], scores=[1.0, 0.0]).tolist() == [0, 1]
    assert rank(["a", "b"], lengths=[1, 2]).tolist() == [1, 0]
    assert rank(["c", "a", "b"], lengths=[2, 2, 2]).tolist() == [2, 0, 1]
    assert cluster([NearPair(0, 1, 0.9)], ids=["a", "b"], ranks=np.array([1, 0])).kept == ["b"]


def test_twins_share_their_neighbours() -> None:
    pairs = [NearPair(0, 1, 1.0), NearPair(0, 2, 0.8)]
    clusters = cluster(pairs, ids=["a", "b", "c"], ranks=np.array([1, 0, 2]))
    assert clusters.removed == [Removed("a", "b", 1.0), Removed("c", "b", 0.8)]


@given(st.integers(0, 10_000), st.integers(2, 25))
@settings(deadline=None, max_examples=30)
def test_everything_removed_is_near_what_stays_for_it(seed: int, size: int) -> None:
    copies = family(seed, size=size, words=40)
    ids = [f"{number:03}" for number in range(size)]
    ranks = rank(ids, lengths=[len(one) for one in copies])
    clusters = cluster(near_pairs(copies, ranks=ranks), ids=ids, ranks=ranks)
    assert sorted([*clusters.kept, *(one.id for one in clusters.removed)]) == ids
    for one in clusters.removed:
        assert one.representative in clusters.kept
        assert one.jaccard == pytest.approx(similarity(copies[int(one.id)], copies[int(one.representative)]))
        assert one.jaccard >= 0.8
    kept = [copies[int(one)] for one in clusters.kept]
    assert all(similarity(left, right) < 0.8 for left, right in combinations(kept, 2))


def test_a_file_of_texts(tmp_path: Path) -> None:
    copies = family(3, size=30)
    rows = [{"id": f"{number:03}", "text": copy.upper()} for number, copy in enumerate(copies)]
    write_table(tmp_path / "texts.parquet", rows, schema=pa.schema([("id", pa.string()), ("text", pa.string())]))
    done = drop_near_copies(tmp_path / "texts.parquet", out=tmp_path / "out")
    kept, removed = read_table(tmp_path / "out" / KEPT), read_table(tmp_path / "out" / REMOVED)
    assert done == Counted(kept=len(kept), removed=len(removed))
    assert sorted(row["id"] for row in [*kept, *removed]) == [row["id"] for row in rows]
    assert {row["representative"] for row in removed} <= {row["id"] for row in kept}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [KEPT, REMOVED]
