"""An exam that ends as soon as the gain is shown."""

import dataclasses

import numpy as np
import pytest
from evaluate_trials import answers, general_text, make_items, make_setting

from luthier.artifacts.canonical import sha256_of
from luthier.evaluate.arms import joined
from luthier.evaluate.metrics.units import interval_words
from luthier.evaluate.report.evidence import Observed, assemble, document_id, evidence_bytes
from luthier.evaluate.verify import verify
from luthier.evaluate.watch import LOOKS, draft_watch, order_of, watched


def sit(base, tuned, *, documents=40, seed=0):
    """Ask made-up answers document by document: the evidence record."""
    random = np.random.default_rng(seed)
    items = make_items(documents, 5)
    right = {item.id: random.random(2) < (base, tuned) for item in items}
    plan = make_setting(items).plan
    plan = {**plan, "sequential": draft_watch([item.task for item in items], documents=documents)}
    order = order_of((document_id(item.document) for item in items), seed=0)
    record = {"plan": plan, "look": {"alpha": 0.025}, "sequential": {"order": order}}
    asked, arms = [], []

    def ask(lot):
        part = [item for item in items if document_id(item.document) in lot]
        asked.extend(part)
        arms.append([answers(part, [right[item.id][arm] for item in part]) for arm in (0, 1)])
        scores = [joined(list(each)).scores for each in zip(*arms, strict=True)]
        columns = {"document": [document_id(item.document) for item in asked], "task": [item.task for item in asked]}
        return {"items": columns, "scores": {"base": scores[0], "tuned": scores[1]}}

    watched(order, record, ask)
    frozen = {"sha256": sha256_of(plan), "changed": {}}
    setting = dataclasses.replace(make_setting(items), plan=plan, frozen_plan=frozen, order=order)
    both = [joined(list(each)) for each in zip(*arms, strict=True)]
    return assemble(setting, Observed(asked, both[0], both[1], (), general_text()))


def test_a_large_gain_ends_the_exam_early_and_its_interval_promises_nothing(tmp_path):
    record = sit(0.1, 0.9)
    watch = record["figures"]["watch"]
    assert watch["stopped"]
    assert watch["documents"] < 20 == LOOKS
    assert len(record["items"]["id"]) == 5 * watch["documents"]
    assert record["verdict"]["verdict"] == "SHIP"
    assert "not covered" in record["verdict"]["caveats"][0]
    assert interval_words(record["figures"]["gain"], "exact_match").endswith(", not covered")
    path = tmp_path / "evidence.json"
    path.write_bytes(evidence_bytes(record))
    assert verify(path) == []


def test_an_exam_without_a_gain_goes_on_to_its_end_and_may_rule_one_out(tmp_path):
    record = sit(0.9, 0.5)
    assert record["figures"]["watch"]["documents"] == 40
    assert record["gates"]["superiority"]["state"] == "open"
    assert record["verdict"]["verdict"] == "DON'T SHIP"
    assert record["figures"]["gain"]["covered"]
    path = tmp_path / "evidence.json"
    path.write_bytes(evidence_bytes(record))
    assert verify(path) == []


@pytest.mark.parametrize("seed", range(3))
def test_the_watched_exam_is_the_start_of_the_whole_one(seed):
    short, order = sit(0.1, 0.9, seed=seed), sit(0.1, 0.9, seed=seed)["sequential"]["order"]
    asked = short["figures"]["watch"]["documents"]
    assert set(short["items"]["document"]) == set(order[:asked])


def test_another_order_or_another_end_is_found(tmp_path):
    record = sit(0.1, 0.9)
    path = tmp_path / "evidence.json"
    turned = {**record, "sequential": {"order": record["sequential"]["order"][::-1]}}
    cut = record["figures"]["watch"]["documents"] - 2
    first = set(record["sequential"]["order"][:cut])
    kept = [place for place, name in enumerate(record["items"]["document"]) if name in first]

    def keep(columns):
        return {name: [column[place] for place in kept] for name, column in columns.items()}

    ended = {**record, "items": keep(record["items"])}
    ended["scores"] = {arm: keep(scores) for arm, scores in record["scores"].items()}
    for forged, told in ((turned, "not the order"), (ended, "did not end where its rule ends it")):
        del forged["sha256"]
        forged["sha256"] = sha256_of(forged)
        path.write_bytes(evidence_bytes(forged))
        assert any(told in problem for problem in verify(path))
