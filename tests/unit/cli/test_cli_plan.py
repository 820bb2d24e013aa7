"""`luthier plan exam`: numbers for whoever has to find the documents."""

import json
from pathlib import Path

import pytest

from luthier.errors import UsageError
from luthier.pipeline.actions.exam_size import Wish, plan_exam


def test_a_gain_needs_fewer_documents_the_larger_it_is() -> None:
    shown = plan_exam(None, Wish())
    needed = [row["documents"] for row in shown.values["gains"]]
    assert needed == sorted(needed, reverse=True)
    assert shown.values["gains"][1] == {"gain": 5.0, "documents": 347, "items": 1735, "differ": 30.0}
    assert "5 points" in shown.text
    assert json.loads(json.dumps(shown.values))["format"] == "luthier.exam-size/1"


def test_given_documents_are_told_what_they_can_see() -> None:
    shown = plan_exam(None, Wish(gain=10, documents=40, differ=20))
    given = shown.values["given"]
    assert given["items"] == 200
    assert 10 < given["sees"] < 15
    [chance] = given["chances"]
    assert 0.3 < chance["chance"] < 0.8
    assert "With 200 questions from 40 documents" in shown.text


def test_too_few_documents_and_too_small_gains_are_said_plainly() -> None:
    shown = plan_exam(None, Wish(gain=1, documents=5))
    assert shown.values["gains"][0]["documents"] is None
    assert shown.values["given"]["sees"] is None
    assert "INCONCLUSIVE whatever the model does" in shown.text
    assert "no exam can" in shown.text


@pytest.mark.parametrize(
    "wish", [Wish(gain=0), Wish(gain=101), Wish(documents=0), Wish(per_document=0), Wish(differ=0)]
)
def test_impossible_numbers_are_refused(wish: Wish) -> None:
    with pytest.raises(UsageError, match="give a number above"):
        plan_exam(None, wish)


def test_a_finished_run_brings_how_much_its_models_differ(tmp_path: Path) -> None:
    file, report = tmp_path / "luthier.yaml", tmp_path / "runs" / "x" / "report"
    file.write_text("name: x\nobjective: chat\ncollect: {sources: [data]}\n")
    assert plan_exam(file, Wish(gain=5)).values["gains"][0]["differ"] == 30
    report.mkdir(parents=True)
    (report / "evidence.json").write_text('{"figures": {"psi": 0.125}}')
    shown = plan_exam(file, Wish(gain=5))
    assert shown.values["gains"][0] == {**plan_exam(None, Wish(gain=5, differ=12.5)).values["gains"][0]}
    assert "12.5 % of the questions (as in the exam of this run)" in shown.text
    assert plan_exam(file, Wish(gain=5, differ=40)).values["gains"][0]["differ"] == 40


def test_a_project_brings_its_own_smallest_gain(tmp_path: Path) -> None:
    file = tmp_path / "luthier.yaml"
    file.write_text("name: x\nobjective: chat\ncollect: {sources: [data]}\nevaluate: {minimum_effect: 0.06}\n")
    shown = plan_exam(file, Wish(gain=5))
    assert shown.values["minimum_effect"] == pytest.approx(6)
    assert shown.values["gains"][0]["documents"] is None
