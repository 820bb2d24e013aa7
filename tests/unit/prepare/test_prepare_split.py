"""Groups and sides."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prepare_corpora import coded, label

from luthier.errors import UserError
from luthier.prepare.candidate import Candidate, candidate
from luthier.prepare.config import SplitConfig
from luthier.prepare.exam.items import exam_item, within_caps
from luthier.prepare.split.assign import Assignment, assign_parts
from luthier.prepare.split.groups import find_groups
from luthier.records import Example, Message

CODE = "code[:4]"


def candidates(examples: list[Example]) -> list[Candidate]:
    return [candidate(one) for one in examples]


def split(examples: list[Example], *, group_by: str | None = CODE, **settings: object) -> Assignment:
    groups = find_groups(candidates(examples), group_by=group_by).groups
    return assign_parts(groups, SplitConfig.model_validate(settings))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40)), min_size=1, max_size=120), seed=st.integers(0, 5)
)
def test_equal_values_and_equal_questions_never_part(rows: list[tuple[int, int]], seed: int) -> None:
    examples = [
        label(f"question {asked}", "X", line=line, code=f"v{value}") for line, (value, asked) in enumerate(rows)
    ]
    grouping = find_groups(candidates(examples), group_by="code")
    parts = assign_parts(grouping.groups, SplitConfig(seed=seed)).parts
    name_of = {member: group.name for group in grouping.groups for member in group.members}
    assert sum(len(group.members) for group in grouping.groups) == len(examples)
    sides: dict[str, set[str]] = {}
    for one in candidates(examples):
        part = parts[name_of[one.id]]
        sides.setdefault(one.question, set()).add(part)
        sides.setdefault(one.example.origin.columns["code"], set()).add(part)
    assert all(len(side) == 1 for side in sides.values())
    assert "train" in parts.values()


def test_a_large_corpus_has_no_larger_exam_than_can_be_paid_for() -> None:
    parts = Counter(split(coded(900, each=3), most_items=150).parts.values())
    assert parts == {"train": 800, "exam": 50, "validation": 50}


@settings(max_examples=25, deadline=None)
@given(before=st.integers(60, 150), added=st.integers(1, 150), seed=st.integers(0, 50))
def test_adding_a_file_never_pulls_a_group_into_the_exam(before: int, added: int, seed: int) -> None:
    small, more = coded(before, each=2), coded(added, each=2, first=before, file="new.csv")
    old, new = split(small, seed=seed).parts, split([*small, *more], seed=seed).parts
    assert set(old) <= set(new)
    pulled = {name for name, part in old.items() if part != "exam" and new[name] == "exam"}
    assert not pulled


@pytest.mark.parametrize("seed", range(3))
def test_in_a_large_folder_added_files_move_nothing(seed: int) -> None:
    small, more = coded(400, each=2), coded(400, each=2, first=400, file="new.csv")
    old, new = split(small, seed=seed).parts, split([*small, *more], seed=seed).parts
    assert {name: new[name] for name in old} == old


@pytest.mark.parametrize("groups", [60, 100, 300])
def test_the_exam_reaches_twenty_groups_where_they_exist(groups: int) -> None:
    for seed in range(8):
        sizes = Counter(split(coded(groups, each=2), seed=seed).parts.values())
        assert sizes["exam"] >= 20
        assert sizes["validation"] >= 4
        assert sizes["train"] >= 0.4 * groups


def test_another_seed_is_another_split() -> None:
    assert split(coded(100), seed=0).parts != split(coded(100), seed=1).parts


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 6])
def test_tiny_folders_always_keep_something_to_train_on(groups: int) -> None:
    for seed in range(10):
        sizes = Counter(split(coded(groups, each=20), seed=seed).parts.values())
        assert sizes["train"] >= 1
        assert sizes["exam"] == (0 if groups == 1 else sizes["exam"])
        assert groups < 2 or sizes["exam"] >= 1
        assert groups < 3 or sizes["validation"] >= 1


def test_a_group_joined_to_a_training_group_trains() -> None:
    rows = coded(100, each=2)
    parts = split(rows).parts
    examined, trained = (next(name for name in sorted(parts) if parts[name] == part) for part in ("exam", "train"))
    joint = [label("asked by both", "X", line=9000 + n, code=f"{name}.9") for n, name in enumerate((examined, trained))]
    joined = split([*rows, *joint]).parts
    assert joined[min(examined, trained)] == "train"
    assert max(examined, trained) not in joined


def test_a_group_over_a_fifth_trains_whole() -> None:
    huge = [label(f"huge {index}", "X", line=5000 + index, code="H000") for index in range(60)]
    for seed in range(20):
        assignment = split([*coded(60), *huge], seed=seed)
        assert assignment.parts["H000"] == "train"
        assert [group.name for group in assignment.too_large] == ["H000"]


def test_columns_are_found_whatever_their_capitals_and_values_join_whatever_theirs() -> None:
    rows = [
        label("one", "X", line=1, CODE="A001"),
        label("two", "X", line=2, CODE=" a002 "),
        label("three", "X", line=3, CODE="B"),
    ]
    names = [group.name for group in find_groups(candidates(rows), group_by="Code[:3]").groups]
    assert names == ["A00", "B"]


def test_a_row_without_a_value_goes_with_its_question_else_with_its_file() -> None:
    rows = [
        label("one", "X", line=1, code="A"),
        label("ONE", "Y", line=2, code=""),
        label("two", "X", line=3, code=""),
        label("three", "X", line=4),
    ]
    grouping = find_groups(candidates(rows), group_by="code")
    assert [(group.name, len(group.members)) for group in grouping.groups] == [("A", 2), ("a.csv", 2)]
    assert grouping.without_value == 2


def test_files_and_questions_group_too() -> None:
    rows = [
        label("one", "X", file="a", line=1),
        label("two", "X", file="a", line=2),
        label("Two!", "Y", file="b", line=1),
    ]
    assert [len(group.members) for group in find_groups(candidates(rows), group_by=None).groups] == [3]
    assert [len(group.members) for group in find_groups(candidates(rows), group_by="question").groups] == [1, 2]


def test_a_column_no_file_has_is_an_error() -> None:
    with pytest.raises(UserError, match="no further columns"):
        find_groups(candidates([label("one", "X")]), group_by="customer")


def test_item_ids_follow_content_not_place() -> None:
    def item(at: str, question: str = "a"):
        return exam_item([Message("user", question)], tools=(), group="g", task="chat", golds=("X",), at=at)

    assert item("a.csv:1").id == item("b.csv:9").id
    assert item("a.csv:1").id != item("a.csv:1", "b").id
    assert len(item("a.csv:1").id) == 16


@given(sizes=st.lists(st.integers(1, 12), min_size=4, max_size=12), per_group=st.integers(1, 6))
def test_caps_hold(sizes: list[int], per_group: int) -> None:
    items = [
        exam_item([Message("user", f"{group} {index}")], tools=(), group=str(group), task="t", golds=("X",), at="")
        for group, size in enumerate(sizes)
        for index in range(size)
    ]
    kept = within_caps(items, per_group=per_group)
    counts = Counter(item.document for item in kept)
    assert len(counts) == len(sizes)
    assert max(counts.values()) <= per_group
    assert max(counts.values()) <= 0.25 * len(kept)
    assert within_caps(list(reversed(items)), per_group=per_group) == kept
