"""A split that the customer brings, and an exam on the newest rows."""

from collections import Counter
from collections.abc import Callable

import pytest
from prepare_corpora import chat

from luthier.artifacts.tables import read_table
from luthier.errors import UserError
from luthier.prepare.config import SplitConfig
from luthier.prepare.dedup.matching import matching_copy
from luthier.prepare.prepared import Prepared
from luthier.prepare.split.given import TELLING, TIED
from luthier.records import Chat, Example

Preparing = Callable[..., Prepared]
WORDS = (
    "amber",
    "basalt",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "garnet",
    "harbour",
    "islet",
    "juniper",
    "kelp",
    "larch",
)


def row(number: int, part: str, *, file: str = "all.csv", **columns: str) -> Chat:
    """A question of its own, with an answer of its own."""
    first, second = WORDS[number % 12], WORDS[(number // 12) % 12]
    question = f"Which shelf number {number} holds the {first} and the {second} boxes of the archive?"
    return chat(question, f"Shelf {number * 7}", file=file, line=number + 2, part=part, **columns)


def places(prepared: Prepared) -> dict[str, str]:
    return {one["at"]: one["part"] for one in read_table(prepared.dataset.file("splits.parquet"))}


def test_the_parts_of_a_column_are_kept(preparing: Preparing) -> None:
    parts = ["Train"] * 30 + ["dev"] * 10 + ["TEST"] * 20
    prepared = preparing([row(*one) for one in enumerate(parts)], objective_name="chat", group_by=None, given="part")
    found = places(prepared)
    assert Counter(found.values()) == {"train": 30, "validation": 10, "exam": 20}
    assert all(found[f"all.csv:{line}"] == "exam" for line in range(42, 62))


def test_files_and_folders_name_parts_and_training_lends_a_validation(preparing: Preparing) -> None:
    files = ["data/train-00001.csv"] * 40 + ["data.zip!/test/part.csv"] * 20
    rows = [row(number, "", file=file) for number, file in enumerate(files)]
    found = places(preparing(rows, objective_name="chat", group_by=None, given="file"))
    assert {part for at, part in found.items() if "test" in at} == {"exam"}
    assert {part for at, part in found.items() if "train" in at} == {"train", "validation"}


def test_what_ties_training_to_the_given_exam_leaves_training(preparing: Preparing) -> None:
    rows: list[Example] = [row(number, "train" if number < 40 else "test") for number in range(60)]
    asked = rows[50]
    assert isinstance(asked, Chat)
    question, answer = asked.messages[0].content, asked.messages[1].content
    copy = chat(question, answer, line=100, part="train")
    other = chat(question.upper(), "Another answer", line=101, part="train")
    quoting = chat(f"Read this aloud: {question} {answer}, and then go home.", "Good.", line=102, part="train")
    prepared = preparing([*rows, copy, other, quoting], objective_name="chat", group_by=None, given="part")
    found, counts = places(prepared), prepared.dataset.manifest.counts
    assert Counter(found.values())["exam"] >= 19  # the one with two answers cannot be asked
    assert not {"a.csv:100", "a.csv:101", "a.csv:102"} & set(found)
    assert counts["merged"] == 1
    assert counts["dropped"][TIED] == 1
    assert counts["dropped"][TELLING] == 1
    trained = {matching_copy(one.messages[0].content) for one in rows[:40] if isinstance(one, Chat)}
    assert matching_copy(question) not in trained


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (["train"] * 20 + ["weekend"] * 20, r"no part can be told from 'weekend' \(20 rows\)"),
        (["train"] * 40, "no row is in exam"),
        (["test"] * 40, "no row is in train"),
    ],
)
def test_a_split_that_is_none_is_refused(preparing: Preparing, parts: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        preparing([row(*one) for one in enumerate(parts)], objective_name="chat", group_by=None, given="part")


def test_the_newest_rows_are_examined(preparing: Preparing) -> None:
    rows = [row(number, "", asked=f"20{10 + number % 20}-03-0{1 + number % 9}") for number in range(100)]
    found = places(preparing(rows, objective_name="chat", group_by="question", newest="Asked", exam=0.2))
    years = {part: {2010 + (int(at.split(":")[1]) - 2) % 20 for at in found if found[at] == part} for part in
             ("train", "validation", "exam")}  # fmt: skip
    assert min(years["exam"]) > max(years["train"] | years["validation"])
    assert len(years["exam"]) == 8  # 40 questions at least


@pytest.mark.parametrize("value", ["2026-11-23", "2026-11-23T10:00:00+01:00", "Mon, 23 Nov 2026 10:00:00 +0100", "17"])
def test_dates_are_read_as_they_are_written(preparing: Preparing, value: str) -> None:
    rows = [row(number, "", asked=value if number == 7 else "long ago") for number in range(60)]
    found = places(preparing(rows, objective_name="chat", group_by="question", newest="asked"))
    assert found["all.csv:9"] == "exam"


def test_a_column_without_dates_is_refused(preparing: Preparing) -> None:
    rows = [row(number, "", asked="soon") for number in range(60)]
    with pytest.raises(UserError, match=r"no row has a date or a number in a column 'asked'"):
        preparing(rows, objective_name="chat", group_by="question", newest="asked")


def test_one_split_is_enough() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        SplitConfig(given="part", newest="date")
