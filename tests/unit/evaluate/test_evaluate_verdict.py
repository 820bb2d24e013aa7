"""Answers in, verdict out."""

import dataclasses

import numpy as np
import pytest
from evaluate_trials import answers, general_text, make_items, make_setting

from luthier.evaluate.decide import corrected
from luthier.evaluate.report.evidence import Observed, assemble


def test_a_clear_gain_ships_with_every_gate_passed(trial):
    record = trial(0.05, 0.9).record
    assert record["verdict"]["verdict"] == "SHIP"
    assert {name: gate["state"] for name, gate in record["gates"].items()} == {
        "size": "passed",
        "superiority": "passed",
        "minimum_effect": "passed",
        "retained": "RETAINED",
        "overfit": "NOT ASKED",
        "memorised": "NOT ASKED",
        "clean": "CLEAN",
    }
    assert record["figures"]["gain"]["low"] > 0.4


def test_equal_arms_ship_no_more_often_than_promised(trial):
    verdicts = [trial(0.5, 0.5, documents=20, seed=seed).record["verdict"]["verdict"] for seed in range(100)]
    # 2.5 of 100 are expected at most; 8 would be a chance of one in a thousand.
    assert verdicts.count("SHIP") < 8


def test_identical_answers_are_inconclusive_not_a_ruled_out_gain():
    items = make_items(40, 5)
    arm = answers(items, [place % 3 == 0 for place in range(len(items))])
    record = assemble(make_setting(items), Observed(items, arm, arm, (), general_text()))
    gain = record["figures"]["gain"]
    assert (gain["value"], gain["se"], gain["p"]) == (0.0, 0.0, 1.0)
    assert gain["low"] < 0 < gain["high"]
    assert record["verdict"]["verdict"] == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("changes", "gate", "state"),
    [
        ({"ratio": 1.05}, "retained", "FORGOT"),
        ({"leaks": 1}, "clean", "DIRTY"),
    ],
)
def test_forgetting_and_leaks_stop_a_clear_gain(trial, changes, gate, state):
    record = trial(0.05, 0.9, **changes).record
    assert record["gates"][gate]["state"] == state
    assert record["verdict"]["verdict"] == "DON'T SHIP"
    assert record["verdict"]["reasons"][0] in record["gates"][gate]["reasons"]


def test_another_dataset_than_the_exams_is_dirty(trial):
    made = trial(0.05, 0.9)
    for change in ({"trained_on": "x" * 64}, {"sealed_with": False}):
        setting = dataclasses.replace(made.setting, exam={**made.setting.exam, **change})
        assert assemble(setting, made.observed)["gates"]["clean"]["state"] == "DIRTY"


def test_a_worse_model_is_not_shipped(trial):
    record = trial(0.9, 0.1).record
    assert record["verdict"]["verdict"] == "DON'T SHIP"
    assert record["gates"]["minimum_effect"]["state"] == "failed"


@pytest.mark.parametrize(("documents", "per_document"), [(1, 30), (4, 10), (5, 40), (10, 2)])
def test_too_small_an_exam_is_inconclusive_whatever_the_answers(trial, documents, per_document):
    record = trial(0.0, 1.0, documents=documents, per_document=per_document).record
    assert record["verdict"]["verdict"] == "INCONCLUSIVE"
    assert "too small" in record["verdict"]["reasons"][0]
    assert record["figures"]["gain"]["value"] == 1.0
    assert (record["figures"]["gain"]["low"] is None) == (documents == 1)


def test_retention_that_is_not_shown_blocks(trial):
    record = trial(0.05, 0.9, ratio=1.0101).record
    assert record["gates"]["retained"]["state"] == "INCONCLUSIVE"
    assert record["verdict"]["verdict"] == "INCONCLUSIVE"


def test_a_later_look_pays_and_says_so(trial):
    first, second = trial(0.4, 0.6).record, trial(0.4, 0.6, look=2).record
    assert second["look"]["alpha"] == pytest.approx(0.025 * 6 / (np.pi**2 * 4))
    assert second["figures"]["gain"]["low"] < first["figures"]["gain"]["low"]
    assert not first["verdict"]["caveats"]
    assert "weakened" in second["verdict"]["caveats"][0]


def test_a_plan_that_changed_or_was_never_kept_is_told(trial):
    made = trial(0.4, 0.6)
    for frozen, told in (
        (None, "No plan was kept"),
        ({"sha256": "0", "changed": {"alpha": [0.1, 0.025]}}, "alpha was 0.1"),
    ):
        verdict = assemble(dataclasses.replace(made.setting, frozen_plan=frozen), made.observed)["verdict"]
        assert told in verdict["caveats"][0]
        assert verdict["verdict"] == made.record["verdict"]["verdict"]


def test_further_metrics_are_corrected_for_their_number(label_trial):
    record = label_trial(0.5, 0.9).record
    gain = record["figures"]["accuracy"]["gain"]
    assert gain["adjusted"] == gain["p"]
    gains = {name: {"gain": {"p": p}} for name, p in (("a", 0.01), ("b", 0.04), ("c", None))}
    found = corrected(gains)
    assert [found[name]["gain"]["adjusted"] for name in gains] == [0.02, 0.04, None]


def test_independent_items_use_mcnemar_and_tango(trial):
    gain = trial(0.3, 0.7, documents=120, per_document=1).record["figures"]["gain"]
    assert (gain["test"], gain["interval"]) == ("McNemar, exact", "Tango")


def test_few_differing_documents_widen_the_interval():
    items = make_items(40, 5)
    right = np.zeros(len(items), dtype=bool)
    better = right.copy()
    better[:15] = True  # three documents, all of their items
    record = assemble(
        make_setting(items), Observed(items, answers(items, right), answers(items, better), (), general_text())
    )
    assert record["figures"]["gain"]["differing_documents"] == 3
    assert record["figures"]["gain"]["interval"] == "wider of CR2 and Tango"
    assert record["verdict"]["verdict"] == "INCONCLUSIVE"


def test_classifiers_are_judged_by_macro_f1_without_retention(label_trial):
    record = label_trial(0.5, 0.9).record
    assert record["verdict"]["verdict"] == "SHIP"
    assert record["gates"]["retained"]["state"] == "NOT ASKED"
    assert record["figures"]["gain"]["interval"] == "jack-knife, t(G-1)"
    assert record["figures"]["gain"]["labels"] == 4
    assert record["figures"]["accuracy"]["gain"]["value"] > 0.3


def test_a_classifier_with_few_differences_has_no_bounds(label_trial):
    record = label_trial(1.0, 1.0).record
    assert record["figures"]["gain"]["low"] is None
    assert record["verdict"]["verdict"] == "INCONCLUSIVE"


def test_evidence_holds_no_customer_text(trial):
    text = str(trial(0.3, 0.6).record)
    for secret in ("diagnosis", "Blood", "group 3", "don't know"):
        assert secret not in text


def test_slices_and_tally_balance(trial):
    figures = trial(0.3, 0.6).record["figures"]
    assert sum(figures["items"].values()) == 200
    assert sum(row["n"] for row in figures["slices"]) == 200
    assert len(figures["slices"]) == 4


def test_slices_are_adjusted_for_their_number(trial):
    rows = trial(0.3, 0.6).record["figures"]["slices"]
    assert all(row["p"] <= row["adjusted"] <= min(1.0, 4 * row["p"]) for row in rows)
    assert max(row["adjusted"] for row in rows) == max(row["p"] for row in rows)
    assert all((row["p"] <= 0.05) == (row["low"] > 0 or row["high"] < 0) for row in rows)
    small = trial(0.0, 1.0, documents=5, per_document=40).record["figures"]["slices"]
    assert {(row["p"], row["adjusted"]) for row in small} == {(None, None)}
