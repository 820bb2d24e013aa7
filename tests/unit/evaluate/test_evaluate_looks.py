"""The ledger of looks and the plan."""

import json

import pytest
from evaluate_trials import make_items

from luthier.artifacts.canonical import canonical_json, merkle_root
from luthier.artifacts.folders import DatasetDir, ExamDir, building
from luthier.artifacts.rows import item_row, write_items, write_worded
from luthier.errors import UserError
from luthier.evaluate.config import EvaluateConfig
from luthier.evaluate.foresight import foresight
from luthier.evaluate.looks import alpha_of, close_look, open_exam, read_ledger
from luthier.evaluate.plan import draft_plan

PLAN = {"alpha": 0.025, "n": 1}


@pytest.fixture
def exam(tmp_path):
    items = make_items(12, 5)
    rows = [canonical_json(item_row(item)) for item in sorted(items, key=lambda item: item.id)]
    with building(tmp_path / "exam", ExamDir, key="k" * 64, settings={}, inputs={}) as draft:
        write_items(draft.path / "items.parquet", items)
        (draft.path / "seal.json").write_text(json.dumps({"root": merkle_root(rows), "leaves": len(rows)}))
    return ExamDir.open(tmp_path / "exam")


def test_the_line_is_written_before_an_item_is_seen(exam):
    write_items(exam.path / "items.parquet", make_items(3, 1))
    with pytest.raises(UserError, match="not the ones that were sealed"):
        open_exam(exam, model="m", plan=PLAN, why="test")
    assert [line["look"] for line in read_ledger(exam.looks)] == [1]


def test_each_new_model_or_plan_pays_and_the_same_one_continues(exam):
    first = open_exam(exam, model="m", plan=PLAN, why="test").look
    assert open_exam(exam, model="m", plan=PLAN, why="test").look == first
    second = open_exam(exam, model="other", plan=PLAN, why="test").look
    third = open_exam(exam, model="m", plan={**PLAN, "n": 2}, why="test").look
    assert [look.number for look in (first, second, third)] == [1, 2, 3]
    assert (first.alpha, second.alpha) == (0.025, pytest.approx(0.025 * 6 / 3.141592653589793**2 / 4))
    assert len(read_ledger(exam.looks)) == 3


def test_a_result_is_kept_once_and_is_no_look(exam):
    look = open_exam(exam, model="m", plan=PLAN, why="test").look
    close_look(exam, look, result="r")
    close_look(exam, look, result="r")
    assert open_exam(exam, model="other", plan=PLAN, why="test").look.number == 2
    assert [line.get("result") for line in read_ledger(exam.looks)] == [None, "r", None]


def test_all_looks_together_spend_at_most_one_and_four_tenths_of_alpha():
    assert sum(alpha_of(look, alpha=0.025) for look in range(1, 100_000)) < 0.035


def test_looks_are_chained_without_time_or_name(exam):
    open_exam(exam, model="m", plan=PLAN, why="test")
    lines = exam.looks.read_text().splitlines()
    line = json.loads(lines[0])
    assert {"time", "who", "why", "model", "plan", "previous", "sha256", "look", "exam"} == set(line)
    exam.looks.write_text(json.dumps({**line, "time": "later", "who": "somebody"}) + "\n")
    assert read_ledger(exam.looks)
    exam.looks.write_text(json.dumps({**line, "look": 7}) + "\n")
    with pytest.raises(UserError, match=r"looks.jsonl:1: the ledger of looks was edited"):
        open_exam(exam, model="m", plan=PLAN, why="test")


def test_a_removed_line_breaks_the_chain(exam):
    for model in "abc":
        open_exam(exam, model=model, plan=PLAN, why="test")
    lines = exam.looks.read_text().splitlines()
    exam.looks.write_text("\n".join([lines[0], lines[2]]) + "\n")
    with pytest.raises(UserError, match="edited"):
        read_ledger(exam.looks)


def test_a_line_torn_by_a_crash_is_no_look(exam):
    open_exam(exam, model="a", plan=PLAN, why="test")
    with exam.looks.open("ab") as stream:
        stream.write(b'{"look": 2, "mod')
    assert open_exam(exam, model="b", plan=PLAN, why="test").look.number == 2
    assert [line["look"] for line in read_ledger(exam.looks)] == [1, 2]


def make_dataset(folder, **facts):
    with building(folder, DatasetDir, key="k" * 64, settings={}, inputs={}) as draft:
        write_worded(draft.path / "train.parquet", [])
        draft.facts |= facts
    return DatasetDir.open(folder)


def test_the_plan_says_what_will_count_and_what_can_be_seen(exam, tmp_path):
    dataset = make_dataset(tmp_path / "dataset", objective="chat")
    plan = draft_plan(exam, dataset=dataset, config=EvaluateConfig())
    assert (plan["items"], plan["documents"], plan["primary"], plan["weights"]) == (60, 12, "exact_match", {"chat": 1})
    assert not exam.looks.exists()
    assert foresight(plan).startswith("with 60 items from 12 documents this exam can see gains of ")
    assert "INCONCLUSIVE whatever" in foresight({**plan, "documents": 5})
    assert draft_plan(exam, dataset=dataset, config=EvaluateConfig(alpha=0.01)) != plan
