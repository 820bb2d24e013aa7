"""Rivals, what is advised of them, and what each arm costs."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluate_trials import answers, general_text, make_items, make_setting

from luthier.artifacts.canonical import sha256_of
from luthier.evaluate.arms import BOTH, FEW_SHOT, OPEN_BOOK, RETRIEVAL, Arm
from luthier.evaluate.cost import Meter, token_columns, token_figures
from luthier.evaluate.report.evidence import Observed, assemble, evidence_bytes
from luthier.evaluate.report.folder import write_report
from luthier.evaluate.statistics.several import holm
from luthier.evaluate.verify import verify


def record_of(
    chances: dict[str, float], *, against: str = "base", documents: int = 40, seed: int = 0
) -> dict[str, Any]:
    return assemble(*trial_of(chances, against=against, documents=documents, seed=seed))


def trial_of(chances: dict[str, float], *, against: str, documents: int = 40, seed: int = 0) -> tuple[Any, Observed]:
    random = np.random.default_rng(seed)
    items = make_items(documents, 5)
    # One draw for all arms: who is likelier right is right wherever the other is.
    drawn = random.random(len(items))
    arms = {name: answers(items, drawn < chance) for name, chance in chances.items()}
    spent = {name: tuple((40 + 10 * place, 5) for _ in items) for place, name in enumerate(arms)}
    arms = {name: dataclasses.replace(arm, tokens=spent[name]) for name, arm in arms.items()}
    setting = make_setting(items)
    plan = {**setting.plan, "against": against, "arms": list(arms)}
    setting = dataclasses.replace(setting, plan=plan, frozen_plan={"sha256": sha256_of(plan), "changed": {}})
    base, tuned = arms.pop("base"), arms.pop("tuned")
    return setting, Observed(items, base, tuned, (), general_text(), arms)


def test_rivals_have_the_same_statistics_corrected_for_their_number() -> None:
    figures = record_of({"base": 0.2, "tuned": 0.8, FEW_SHOT: 0.5, RETRIEVAL: 0.78, BOTH: 0.8})["figures"]
    rivals = figures["rivals"]
    assert sorted(rivals) == sorted([FEW_SHOT, RETRIEVAL, BOTH])
    gains = [rivals[name]["gain"] for name in sorted(rivals)]
    assert [gain["adjusted"] for gain in gains] == pytest.approx(holm([gain["p"] for gain in gains]).tolist())
    assert rivals[FEW_SHOT]["gain"]["adjusted"] == pytest.approx(3 * rivals[FEW_SHOT]["gain"]["p"])
    assert rivals[FEW_SHOT]["gain"]["low"] > 0.1
    assert rivals[FEW_SHOT]["low"] < rivals[FEW_SHOT]["value"] < rivals[FEW_SHOT]["high"]


def test_the_verdict_is_about_the_arm_that_the_plan_names() -> None:
    chances = {"base": 0.1, "tuned": 0.6, FEW_SHOT: 0.9}
    easy, hard = (record_of(chances, against=against) for against in ("base", FEW_SHOT))
    assert easy["verdict"]["verdict"] == "SHIP"
    assert hard["verdict"]["verdict"] == "DON'T SHIP"
    assert hard["figures"]["base"]["value"] == easy["figures"]["rivals"][FEW_SHOT]["value"]
    assert hard["figures"]["gain"]["value"] == easy["figures"]["rivals"][FEW_SHOT]["gain"]["value"]
    assert hard["figures"]["rivals"]["base"]["gain"]["value"] == easy["figures"]["gain"]["value"]
    assert hard["figures"]["slices"][0]["base"] > easy["figures"]["slices"][0]["base"]
    assert hard["scores"] == easy["scores"]
    assert easy["verdict"]["advice"] == []  # few-shot examples are no retrieval


@pytest.mark.parametrize(
    ("chances", "told"),
    [
        ({RETRIEVAL: 0.8}, ["Retrieval would serve this better: the base with retrieval reaches"]),
        ({OPEN_BOOK: 0.8}, ["Retrieval would serve this better: the base with each item's own source reaches"]),
        ({RETRIEVAL: 0.3, BOTH: 0.8}, ["Both together do best: the tuned model with retrieval reaches"]),
        ({RETRIEVAL: 0.9, BOTH: 0.8}, ["Retrieval would serve this better"]),
        ({RETRIEVAL: 0.3, OPEN_BOOK: 0.4, BOTH: 0.3}, []),
    ],
)
def test_what_would_serve_better_is_said_with_its_numbers(chances: dict[str, float], told: list[str]) -> None:
    record = record_of({"base": 0.1, "tuned": 0.5, **chances})
    advice = record["verdict"]["advice"]
    assert len(advice) == len(told)
    for line, start in zip(advice, told, strict=True):
        assert line.startswith(start)
        assert f"{100 * record['figures']['tuned']['value']:.1f} %" in line
        assert "luck" not in line


def test_a_lead_that_may_be_luck_is_called_so() -> None:
    [line] = record_of({"base": 0.1, "tuned": 0.5, RETRIEVAL: 0.53})["verdict"]["advice"]
    assert "may be luck" in line


def test_a_rival_that_the_verdict_is_about_is_advised_too() -> None:
    chances = {"base": 0.1, "tuned": 0.5, RETRIEVAL: 0.8, BOTH: 0.7}
    easy, hard = (record_of(chances, against=against)["verdict"]["advice"] for against in ("base", RETRIEVAL))
    assert easy == hard
    assert easy[0].startswith("Retrieval would serve this better")


def test_an_exam_too_small_to_bound_anything_bounds_no_rival() -> None:
    record = record_of({"base": 0.1, "tuned": 0.5, RETRIEVAL: 0.9}, documents=1)
    gain = record["figures"]["rivals"][RETRIEVAL]["gain"]
    assert (gain["low"], gain["high"], gain["p"], gain["adjusted"]) == (None,) * 4
    assert record["verdict"]["advice"][0].endswith("on too few documents to bound it.")


CHANGES = (
    lambda record: record["figures"]["rivals"][RETRIEVAL]["gain"].update(adjusted=0.5),
    lambda record: record["figures"]["cost"]["tuned"].update(answer_tokens_p95=4.0),
    lambda record: record["cost"]["tuned"]["prompt_tokens"].append(3),
    lambda record: record["verdict"].update(advice=[]),
    lambda record: record["scores"].pop(FEW_SHOT),
)


@pytest.mark.parametrize("against", ["base", FEW_SHOT])
def test_verify_recomputes_every_arm(tmp_path: Path, against: str) -> None:
    setting, observed = trial_of({"base": 0.1, "tuned": 0.6, FEW_SHOT: 0.4, RETRIEVAL: 0.7}, against=against)
    record = assemble(setting, observed)
    write_report(tmp_path, record, observed)
    assert verify(tmp_path) == []
    for change in CHANGES:
        record = assemble(setting, observed)
        change(record)
        (tmp_path / "evidence.json").write_bytes(evidence_bytes(record))
        assert len(verify(tmp_path)) > 1  # the hash, and what was changed


def test_tokens_are_counted_and_what_is_saved_against_longer_prompts() -> None:
    asked = {"base": [10, 20], FEW_SHOT: [100, 120], RETRIEVAL: [50, 70]}
    arms = {
        name: Arm(("a", "b"), (True, True), {}, tokens=tuple((one, 4) for one in each)) for name, each in asked.items()
    }
    arms["BM25"] = Arm(("a", "b"), (True, True), {})
    figures = token_figures(token_columns(arms))
    assert sorted(figures) == sorted(asked)
    assert figures["base"]["prompt_tokens"] == 15
    assert figures["base"]["saved"] == {FEW_SHOT: 95, RETRIEVAL: 45}
    assert figures[FEW_SHOT]["saved"] == {FEW_SHOT: 0, RETRIEVAL: -50}
    lengths = token_figures({"base": {"prompt_tokens": [1] * 101, "answer_tokens": list(range(101))}})["base"]
    assert (lengths["answer_tokens"], lengths["answer_tokens_p95"]) == (50, 95)


def test_the_meter_keeps_arms_apart_and_leaves_warming_up_out() -> None:
    meter = Meter()
    meter.warm_up(lambda: time.sleep(0.2))
    assert meter.ask("base", lambda: "answers") == "answers"
    held: list[bytearray] = []
    meter.ask("tuned", lambda: (held.append(bytearray(b"x") * 30_000_000), time.sleep(0.15)))
    told = meter.notes(items=500, price_per_hour=3.6)
    base, tuned = told["arms"]["base"], told["arms"]["tuned"]
    assert told["warm_up_seconds"] >= 0.2 > base["seconds"]
    assert tuned["seconds_per_1000"] == pytest.approx(2 * tuned["seconds"], abs=0.01)
    assert tuned["cost_per_1000"] == pytest.approx(tuned["seconds_per_1000"] / 1000, abs=1e-5)
    assert tuned["peak_resident_bytes"] > base["peak_resident_bytes"] + 20_000_000
    assert meter.notes(items=500, price_per_hour=None)["arms"]["tuned"]["cost_per_1000"] is None
