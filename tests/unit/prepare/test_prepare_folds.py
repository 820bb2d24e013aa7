"""Groups dealt out into folds: each is examined once, by what was learnt from the others."""

import pytest

from luthier.errors import UserError
from luthier.prepare.config import Fold, SplitConfig
from luthier.prepare.exam.items import within_caps
from luthier.prepare.split.folds import assign_fold, deal_folds
from luthier.prepare.split.groups import Group
from luthier.records import Item


def groups(number: int, *, each: int = 4) -> list[Group]:
    members = [tuple(f"row {place}.{row}" for row in range(each)) for place in range(number)]
    return [Group(f"g{place}", (f"g{place}",), rows) for place, rows in enumerate(members)]


@pytest.mark.parametrize("number", [5, 23, 59])
def test_groups_are_dealt_whole_evenly_and_the_same_each_time(number: int) -> None:
    dealt = deal_folds(groups(number), folds=5, seed=1)
    sizes = [list(dealt.values()).count(fold) for fold in range(1, 6)]
    assert sum(sizes) == len(dealt) == number
    assert max(sizes) - min(sizes) <= 1
    assert dealt == deal_folds(groups(number)[::-1], folds=5, seed=1) != deal_folds(groups(number), folds=5, seed=2)


def test_every_group_is_examined_once_and_each_fold_has_a_validation_of_its_own() -> None:
    every = groups(23)
    parts = [assign_fold(every, Fold(number, 5), SplitConfig()).parts for number in range(1, 6)]
    assert all(sum(part[group.name] == "exam" for part in parts) == 1 for group in every)
    assert all({"train", "validation"} < set(part.values()) for part in parts)
    assert len({frozenset(name for name in part if part[name] == "validation") for part in parts}) > 1


def test_what_is_learnt_from_in_the_end_holds_nothing_back_but_a_validation() -> None:
    parts = assign_fold(groups(23), None, SplitConfig()).parts
    assert set(parts.values()) == {"train", "validation"}


def test_a_group_of_over_a_fifth_of_the_examples_is_never_examined() -> None:
    every = [*groups(10), Group("large", ("large",), tuple(f"row {place}" for place in range(11)))]
    found = [assign_fold(every, Fold(number, 5), SplitConfig()) for number in range(1, 6)]
    assert {one.parts["large"] for one in found} == {"train"}
    assert [group.name for group in found[0].too_large] == ["large"]


def test_fewer_groups_than_folds_are_told() -> None:
    with pytest.raises(UserError, match="5 folds, and 4 may be examined"):
        deal_folds(groups(4), folds=5, seed=0)


def test_a_fold_of_few_groups_keeps_its_items() -> None:
    """A quarter of one fold is no quarter of the exam."""
    items = [Item(f"{place:016x}", f"g{place % 4}", "chat", (), ("a",), "a:1") for place in range(18)]
    assert len(within_caps(items, per_group=5)) < 18
    assert len(within_caps(items, per_group=5, is_whole=False)) == 18
