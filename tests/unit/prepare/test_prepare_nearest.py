"""The nearest training question, and what copying its answer scores."""

import pytest

from luthier.errors import UserError
from luthier.prepare.nearest import Copied, check_copy_baseline, copy_baseline, nearest


def test_rare_words_decide() -> None:
    trained = ["what is the pressure of the aurora pump", "what is the pressure of the borealis pump", "how loud is it"]
    asked = ["tell me which pressure a borealis can take", "what is the pressure of the aurora valve"]
    assert nearest(asked, trained) == [1, 0]


def test_the_first_of_equals_is_nearest() -> None:
    assert nearest(["a b"], ["x y", "a b", "a b"]) == [1]
    assert nearest([], ["a"]) == []


def facts(number: int, *, copied: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Questions with answers of their own, the first `copied` of which training asks in other words."""
    names = [f"machine{one}" for one in range(number)]
    trained = [(f"give the weight of other{one}", f"{one} kg net") for one in range(number)]
    trained += [(f"how heavy is {name}", f"{name} weighs much") for name in names[:copied]]
    return [(f"state the weight of {name}", f"{name} weighs much") for name in names], trained


def test_free_answers_that_can_be_copied_stop() -> None:
    asked, trained = facts(40, copied=12)
    copied = copy_baseline(asked, trained)
    assert (copied.items, copied.right, copied.closed) == (40, 12, False)
    with pytest.raises(UserError, match=r"gets 12 of 40 items right \(30%.*split\.group_by"):
        check_copy_baseline(copied)


def test_a_quarter_does_not_stop() -> None:
    check_copy_baseline(copy_baseline(*facts(40, copied=10)))


def test_two_coincidences_do_not_stop() -> None:
    check_copy_baseline(Copied(items=4, right=2, closed=False))
    check_copy_baseline(Copied(items=0, right=0, closed=False))


def test_a_closed_set_is_a_baseline_only() -> None:
    trained = [(f"finding number {one} of the {'heart' if one % 2 else 'lung'}", "ab"[one % 2]) for one in range(60)]
    copied = copy_baseline([("a finding of the heart", "b"), ("a finding of the lung", "a")], trained)
    assert copied == Copied(items=2, right=2, closed=True)
    check_copy_baseline(Copied(items=100, right=90, closed=True))


def test_many_answers_or_unknown_ones_are_no_closed_set() -> None:
    assert not copy_baseline([("q", "answer 1")], [(f"q {one}", f"answer {one % 25}") for one in range(100)]).closed
    assert copy_baseline([("q", "answer 1")], [(f"q {one}", f"answer {one % 25}") for one in range(250)]).closed
    assert not copy_baseline([("q", "new")], [(f"q {one}", "old") for one in range(100)]).closed


def test_the_examiner_decides_what_is_right() -> None:
    copied = copy_baseline([("a b", "42 bar")], [("a b", "42")], is_right=lambda answer, gold: answer in gold)
    assert copied.right == 1


def test_without_training_rows_nothing_is_copied() -> None:
    assert copy_baseline([("q", "a")], []) == Copied(items=1, right=0, closed=False)
