"""Passages shared with the exam: long ones give an item away, common wording does not."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.prepare.overlap import GRAM, SHORTEST, Passage, PassageIndex

DICE = random.Random(0)


def words(count: int, seed: int = 0) -> str:
    dice = random.Random(seed)
    return " ".join("".join(dice.choices("abcdefghij", k=dice.randint(3, 9))) for _ in range(count))


def test_thirteen_words_in_a_row_give_away() -> None:
    item = words(60)
    part = item.split(" ")[20 : 20 + GRAM]
    index = PassageIndex([Passage("g", item, "x")])
    assert index.shared_with(f"so {' '.join(part)} then", "y") == {0}
    assert index.shared_with(f"so {' '.join(part[1:])} then", "y") == set()


def test_a_long_common_substring_gives_away() -> None:
    item = "z" * 5 + words(9, seed=3)[:60]
    index = PassageIndex([Passage("g", item, "x" * 40)])
    assert index.shared_with("row", f"cut{item[3:]}off") == {0}
    assert index.shared_with("row", f"cut{item[3 : 3 + SHORTEST - 1]}off") == set()


@given(st.integers(0, 80), st.integers(0, 10), st.integers(0, 90))
@settings(max_examples=60, deadline=None)
def test_a_common_substring_is_found_wherever_it_stands(before: int, start: int, after: int) -> None:
    item = "".join(random.Random(5).choices("abcdefgh", k=70))
    shared = item[start : start + SHORTEST + 2]
    index = PassageIndex([Passage("g", item, "")])
    assert index.shared_with("q" * before + shared + "r" * after, "") == {0}


def test_a_whole_question_gives_away_though_others_share_its_wording() -> None:
    preamble = words(12, seed=7)
    asked = [Passage(f"g{number}", f"{preamble} {number}", "a long answer " * 30) for number in range(20)]
    index = PassageIndex(asked)
    assert index.shared_with(f"somebody asked {preamble} 7 , twice", "") == {7}
    assert index.shared_with(f"somebody asked {preamble} 77", "") == set()


def test_common_wording_alone_gives_nothing_away() -> None:
    advice = words(20, seed=9)
    asked = [Passage(f"g{number}", words(6, seed=number), f"{words(4, seed=99)} {advice}") for number in range(30)]
    index = PassageIndex(asked)
    assert index.shared_with("another question", f"another answer {advice}") == set()
    few = PassageIndex([Passage("one group", one.question, one.answer) for one in asked])
    assert few.shared_with("another question", f"another answer {advice}") == set(range(30))


def test_an_empty_exam_shares_nothing() -> None:
    assert PassageIndex([]).shared_with(words(50), "") == set()
