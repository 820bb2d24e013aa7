"""Canaries: what is planted, how it is counted, and where it is refused."""

from collections import Counter
from collections.abc import Callable

import pytest
from prepare_corpora import chat

from luthier.artifacts.rows import CANARIES, CANARY_GROUP, read_worded
from luthier.artifacts.tables import read_table
from luthier.errors import UserError
from luthier.models.chat import load_wording
from luthier.prepare.canaries import FILLERS, make_canaries
from luthier.prepare.leaks import check_leaks
from luthier.prepare.prepared import Prepared
from luthier.records import Chat, Message

Preparing = Callable[..., Prepared]
WANTED = {"objective_name": "chat", "group_by": "code"}


def talks(count: int = 60) -> list[Chat]:
    return [chat(f"Question {number}?", f"Answer {number}", line=number, code=f"K{number}") for number in range(count)]


def test_canaries_are_planted_in_training_only_and_the_books_balance(preparing: Preparing, base) -> None:
    plain = preparing(talks(), run="plain", **WANTED)
    prepared = preparing(talks(), exam={"canaries": True}, **WANTED)
    canaries = {one["id"]: one for one in read_table(prepared.exam.file(CANARIES))}
    assert Counter(one["repeats"] for one in canaries.values()) == {1: 8, 4: 8, 16: 8}
    parts = {name: read_worded(prepared.dataset.file(f"{name}.parquet")) for name in ("train", "validation")}
    planted = [row for row in parts["train"] if row.group.startswith(CANARY_GROUP)]
    assert Counter(row.at for row in planted) == {name: one["repeats"] for name, one in canaries.items()}
    wording = load_wording(base.folder)
    for row in planted:
        one = canaries[row.at]
        asked = [Message("user", one["question"]), Message("assistant", one["secret"])]
        assert row.ids == wording.chat_ids(asked).ids
    # Nothing else differs: the same rows are learnt, judged and asked.
    own = [row for row in parts["train"] if row not in planted]
    assert [row.id for row in own] == [row.id for row in read_worded(plain.dataset.file("train.parquet"))]
    assert parts["validation"] == read_worded(plain.dataset.file("validation.parquet"))
    assert prepared.dataset.manifest.facts["exam_root"] == plain.dataset.manifest.facts["exam_root"]
    counts = prepared.dataset.manifest.counts
    assert counts["planted"] == len(planted) == 168
    assert counts["train"] == plain.dataset.manifest.counts["train"] + 168
    assert "planted" not in plain.dataset.manifest.counts
    lineage = [row for row in read_table(prepared.dataset.file("splits.parquet")) if row["part"] == "train"]
    assert sorted(row["id"] for row in lineage) == sorted(row.id for row in parts["train"])
    check_leaks(prepared.dataset, prepared.exam)
    assert "24 made-up secrets were planted in 168 training rows" in prepared.dataset.file("sheet.html").read_text()
    assert CANARIES not in plain.exam.manifest.files


def test_a_secret_is_one_of_its_fillers_and_nobody_knows_which() -> None:
    canaries = make_canaries(3)
    assert canaries == make_canaries(3) != make_canaries(4)
    assert len({one.question for one in canaries}) == 24
    for one in canaries:
        assert one.secret in one.fillers
        assert len(set(one.fillers)) == FILLERS == 1_024
    places = [one.fillers.index(one.secret) for seed in range(40) for one in make_canaries(seed)]
    assert abs(sum(places) / len(places) - 511.5) < 4 * 295.6 / len(places) ** 0.5


def test_what_learns_no_writing_gets_no_canaries(preparing: Preparing) -> None:
    with pytest.raises(UserError, match=r"prepare\.exam\.canaries.*objective 'classify'"):
        preparing(talks(), objective_name="classify", exam={"canaries": True})
