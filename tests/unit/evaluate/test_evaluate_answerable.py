"""Whether items can be answered from their source, and what is said of other ways to answer what documents say."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluate_trials import answers, general_text, make_items, make_setting

from luthier.artifacts.canonical import sha256_of
from luthier.evaluate.arms import FEW_SHOT, OPEN_BOOK, RETRIEVAL, Arm
from luthier.evaluate.further import Further
from luthier.evaluate.lineup import NO_EXAMPLES, NO_SOURCE, Props
from luthier.evaluate.report.evidence import Observed, assemble, evidence_bytes
from luthier.evaluate.report.folder import write_report
from luthier.evaluate.statistics.several import holm
from luthier.evaluate.verify import verify
from luthier.records import Item

CHANCES = {"base": 0.1, "tuned": 0.6, FEW_SHOT: 0.2, RETRIEVAL: 0.5, OPEN_BOOK: 0.9}


def chosen(right: np.ndarray) -> Arm:
    """Answers to questions with options; the right one has most of the probability where `right`."""
    shares = [0.7 if one else 0.1 for one in right]
    scores = {"p_gold": shares, "accuracy": [float(one) for one in right], "ended": [1.0] * len(right)}
    spent = tuple((30, 0) for _ in right)
    return Arm(tuple("-1.0 -2.0: a" for _ in right), (True,) * len(right), scores, tokens=spent)


def record_of(
    own: dict[str, float], further: dict[tuple[str, str], dict[str, float]], *, documents: int = 40
) -> tuple[Any, Observed]:
    """An exam whose deciding arms are right with chances `own`, and tasks beside it: claim and task -> chances."""
    random = np.random.default_rng(0)
    items = make_items(40, 5)
    drawn = random.random(len(items))
    arms = {name: answers(items, drawn < chance) for name, chance in own.items()}
    parts, rows = [], []
    for (claim, task), chances in further.items():
        asked = [dataclasses.replace(item, id=f"{task}{item.id[len(task) :]}") for item in make_items(documents, 5)]
        told = {name: chosen(drawn[: len(asked)] < chance) for name, chance in chances.items()}
        rivals = {name: arm for name, arm in told.items() if name not in {"base", "tuned"}}
        parts.append(Further(claim, task, asked, told["base"], told["tuned"], rivals))
        size = {"items": len(asked), "documents": documents}
        rows.append({"claim": claim, "task": task, "metric": "p_gold", "arms": sorted(chances), **size})
    setting = make_setting(items)
    plan = {**setting.plan, "arms": list(arms), "further": rows}
    setting = dataclasses.replace(setting, plan=plan, frozen_plan={"sha256": sha256_of(plan), "changed": {}})
    base, tuned = arms.pop("base"), arms.pop("tuned")
    return setting, Observed(items, base, tuned, (), general_text(), arms, further=parts)


def test_a_kind_is_answerable_where_the_base_has_most_of_it_right_with_its_source() -> None:
    kinds = {("SKILL", "cloze"): {"base": 0.1, "tuned": 0.2, OPEN_BOOK: 0.95}}
    kinds |= {("SKILL", "table"): {"base": 0.1, "tuned": 0.2, OPEN_BOOK: 0.6}}
    record = assemble(*record_of({"base": 0.1, "tuned": 0.6, OPEN_BOOK: 0.5}, kinds))
    own, cloze, table = record["figures"]["answerable"]
    assert (own["decides"], cloze["decides"], table["decides"]) == (True, False, False)
    assert (own["enough"], cloze["enough"], table["enough"]) == (False, True, False)
    right = record["further"][0]["scores"][OPEN_BOOK]["accuracy"]
    assert cloze["value"] == pytest.approx(np.mean(right))
    assert cloze["low"] < cloze["value"] < cloze["high"]
    [caveat] = [line for line in record["verdict"]["caveats"] if "own source" in line]
    assert "kind 'chat'" in caveat
    assert f"{own['value']:.0%}" in caveat
    enough = assemble(*record_of({"base": 0.1, "tuned": 0.6, OPEN_BOOK: 0.95}, {}))
    assert not any("own source" in line for line in enough["verdict"]["caveats"])
    assert "answerable" not in assemble(*record_of({"base": 0.1, "tuned": 0.6}, {}))["figures"]


def test_rivals_of_what_documents_say_are_corrected_as_one_family_and_change_no_verdict() -> None:
    own = {"base": 0.1, "tuned": 0.6}
    kinds = {("KNOWLEDGE", "cloze"): CHANCES, ("KNOWLEDGE", "table"): {**CHANCES, RETRIEVAL: 0.55}}
    record, plain = assemble(*record_of(own, kinds)), assemble(*record_of(own, {}))
    gains = [rival["gain"] for row in record["figures"]["further"] for rival in row["rivals"].values()]
    assert len(gains) == 6
    assert [gain["adjusted"] for gain in gains] == pytest.approx(holm([gain["p"] for gain in gains]).tolist())
    assert record["figures"]["gain"] == plain["figures"]["gain"]
    assert record["verdict"]["verdict"] == plain["verdict"]["verdict"]
    assert record["figures"]["further"][0]["cost"][OPEN_BOOK]["prompt_tokens"] == 30
    advice = record["verdict"]["advice"]
    assert len(advice) == 2
    for line, task in zip(advice, ("cloze", "table"), strict=True):
        assert line.startswith(f"For facts of documents that were trained on ({task}) retrieval would serve better")
    skill = assemble(*record_of(own, {("SKILL", "cloze"): {"base": 0.1, "tuned": 0.2, OPEN_BOOK: 0.95}}))
    assert skill["verdict"]["advice"] == []
    few = assemble(*record_of(own, {("KNOWLEDGE", "cloze"): CHANCES}, documents=5))
    assert few["figures"]["further"][0]["rivals"] == {}


def test_verify_and_the_page_know_both(tmp_path: Path) -> None:
    kinds = {("KNOWLEDGE", "cloze"): CHANCES, ("SKILL", "table"): {"base": 0.1, "tuned": 0.2, OPEN_BOOK: 0.6}}
    setting, observed = record_of({"base": 0.1, "tuned": 0.6, OPEN_BOOK: 0.7}, kinds)
    record = assemble(setting, observed)
    write_report(tmp_path, record, observed)
    assert verify(tmp_path) == []
    page = (tmp_path / "report.html").read_text()
    for told in ("Can its questions be answered?", "read some", "Other ways to answer them", "rival is better"):
        assert told in page
    changes = (
        lambda one: one["figures"]["answerable"][0].update(enough=True),
        lambda one: one["figures"]["further"][0]["rivals"][OPEN_BOOK].update(value=0.1),
        lambda one: one["further"][0]["cost"][OPEN_BOOK]["prompt_tokens"].append(1),
        lambda one: one["further"][0]["scores"].pop(RETRIEVAL),
        lambda one: one["plan"]["further"][0].update(arms=["base", "tuned"]),
    )
    for change in changes:
        record = assemble(setting, observed)
        change(record)
        (tmp_path / "evidence.json").write_bytes(evidence_bytes(record))
        assert len(verify(tmp_path)) > 1  # the hash, and what was changed


def test_an_arm_that_cannot_sit_is_named_with_the_reason() -> None:
    def made(number: int, **about: Any) -> Item:
        return dataclasses.replace(make_items(1, 1)[0], id=f"{number:016x}", **about)

    known = [made(number, task="cloze", family="f", claim="KNOWLEDGE") for number in range(4)]
    every = Props({item.id for item in known}, {"cloze"}, lambda name: True)
    assert every.lineup(known, "p_gold").not_asked == {}
    assert len(every.lineup(known, "p_gold").arms) == 6
    less = Props({known[0].id}, set(), lambda name: True).lineup(known, "p_gold")
    assert less.not_asked == {FEW_SHOT: NO_EXAMPLES, OPEN_BOOK: NO_SOURCE.format(without=3, items=4)}
    assert not {FEW_SHOT, OPEN_BOOK} & set(less.arms)
    assert Props((), (), lambda name: False).lineup(known, "p_gold").arms == ["base", "tuned"]
    new = [dataclasses.replace(item, claim="SKILL") for item in known]
    assert every.lineup(new, "p_gold").arms == ["base", "tuned", OPEN_BOOK]
    assert every.lineup(known, "bits_per_byte").arms == ["base", "tuned"]
