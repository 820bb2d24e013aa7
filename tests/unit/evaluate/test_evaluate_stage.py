"""The whole stage on two-layer models with random weights."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from evaluate_trials import ALIKE, LEAKS

from luthier.artifacts.canonical import merkle_root
from luthier.artifacts.folders import DatasetDir, ExamDir, ModelDir, building
from luthier.artifacts.rows import EXAMPLES, PASSAGES, write_items, write_passages, write_worded
from luthier.artifacts.sealed import exam_leaves
from luthier.artifacts.tables import read_table
from luthier.errors import UserError
from luthier.evaluate.arms import BOTH, FEW_SHOT, OPEN_BOOK, RETRIEVAL
from luthier.evaluate.config import EvaluateConfig, Models
from luthier.evaluate.lineup import NO_SOURCE
from luthier.evaluate.metrics.units import gain_words
from luthier.evaluate.plan import draft_plan
from luthier.evaluate.report.evidence import read_evidence
from luthier.evaluate.stage import evaluate
from luthier.evaluate.tasks.choice import option_rows
from luthier.evaluate.verify import verify
from luthier.models.adapters import AdapterShape, inject, lora_layers, save_adapter
from luthier.models.chat import load_wording, save_wording
from luthier.models.engines.hf import load_engine
from luthier.models.load import load_model
from luthier.objectives import objective
from luthier.records import Item, Message, Worded

LABELS = ("cat", "dog", "owl")
PAIR = EvaluateConfig(arms="pair")


@pytest.fixture
def base(request, make_base):
    """A tiny decoder, or a tiny encoder if the test asks for one."""
    return make_base({"decoder": "llama", "encoder": "bert"}[getattr(request, "param", "decoder")])


@pytest.fixture
def setup(base, tmp_path):
    """Write exam, dataset and a tuned model (its adapter disturbed by `strength`) into a run folder."""

    def make(objective_name, *, strength, run="run", sourced=0, made=0, claim="SKILL"):
        folder = tmp_path / run
        wording = load_wording(base.folder)
        random = np.random.default_rng(0)
        items, rows = [], []
        for place in range(120):
            label = int(random.integers(0, 3))
            text = f"{LABELS[label]} number {place}"
            ids = wording.text_ids(text)
            if place < 48:
                message = () if objective_name == "complete" else (Message("user", text),)
                gold = text if objective_name == "complete" else LABELS[label]
                items.append(Item(f"{place:016x}", f"g{place // 4}", objective_name, message, (gold,), "a:1"))
            else:
                rows.append(Worded(f"r{place}", f"g{place}", "a:1", ids, (False,) * len(ids), (label,)))
                if objective_name == "chat":
                    chat = wording.chat_ids([Message("user", text), Message("assistant", LABELS[label])])
                    rows[-1] = Worded(f"r{place}", f"g{place}", "a:1", chat.ids, chat.trained)
        items += [cloze(place, claim) for place in range(made)]
        sources = {item.id: f"It is a {item.golds[0]}." for item in items[:sourced]}
        examples = [replace(cloze(place, claim), id=f"e{place:015x}") for place in range(made)] if sourced else []
        leaves = exam_leaves(items, sources=sources, examples=examples)
        root = merkle_root(leaves)
        facts = {
            "objective": objective_name,
            "labels": list(LABELS),
            "exam_root": root,
            "base_digest": base.digest,
            "alike": ALIKE,
        }
        with building(folder / "exam", ExamDir, key="k" * 64, settings={}, inputs={}) as draft:
            write_items(draft.path / "items.parquet", items)
            write_worded(draft.path / "general.parquet", general(wording))
            if sources:
                write_passages(draft.path / PASSAGES, sources)
            if examples:
                write_items(draft.path / EXAMPLES, examples)
            (draft.path / "seal.json").write_text(json.dumps({"root": root, "leaves": len(leaves)}))
            (draft.path / "leaks.json").write_text(json.dumps(LEAKS))
        with building(folder / "dataset", DatasetDir, key="k" * 64, settings={}, inputs={}) as draft:
            write_worded(draft.path / "train.parquet", rows[:48])
            write_worded(draft.path / "validation.parquet", rows[48:])
            draft.facts |= {**facts, "claim": claim}
        dataset = DatasetDir.open(folder / "dataset")
        inputs = {"dataset": dataset.digest, "base": base.digest}
        with building(folder / "model", ModelDir, key="m" * 64, settings={}, inputs=inputs) as draft:
            write_model(draft.path, base, objective_name, strength=strength)
            save_wording(draft.path, wording, base=base.folder)
            (draft.path / "curve.jsonl").write_text('{"step":1,"loss":2.0}\n{"step":2,"loss":1.0}\n')
            draft.facts |= {**facts, "template_hash": wording.template_hash}
        return ExamDir.open(folder / "exam"), dataset, Models(base=base, tuned=ModelDir.open(folder / "model"))

    return make


def cloze(place, claim="SKILL"):
    """A question with four options, of which the base knows nothing."""
    options = tuple(f"{word}{place % 5}" for word in ("ant", "bee", "cow", "eel"))
    asked = (Message("user", f"In the field number {place} there is an animal called"),)
    gold = (options[place % 4],)
    if place % 4 == 3:
        return Item(
            f"f{place:015x}", f"g{place // 4}", "number", asked, ("1,200",), "a:1", claim=claim, family="number:cell"
        )
    return Item(
        f"f{place:015x}", f"g{place // 4}", "cloze", asked, gold, "a:1", claim=claim, options=options, family="cloze"
    )


def general(wording):
    rows = []
    for place in range(20):
        text = f"General text number {place}."
        ids = wording.document_ids(text)
        trained = (False, *(True,) * (len(ids) - 1))
        rows.append(Worded(f"n{place}", f"n{place}", "general", ids, trained, (), len(text.encode())))
    return rows


def write_model(folder, base, objective_name, *, strength):
    goal = objective(objective_name)
    loaded = load_model(base, goal, dtype=torch.float32, labels=LABELS if goal.record == "label" else ())
    shape = AdapterShape(rank=2, alpha=4)
    inject(loaded.model, shape, skip=loaded.skip, seed=0)
    for _, layer in lora_layers(loaded.model):
        torch.nn.init.normal_(layer.lora_B, std=strength, generator=torch.Generator().manual_seed(1))
    save_adapter(folder, loaded.model, shape=shape, base_name="tiny", heads=loaded.heads, task=loaded.task)


def test_an_untrained_adapter_changes_nothing_and_does_not_ship(setup, tmp_path):
    exam, dataset, models = setup("chat", strength=0.0)
    ticks = []
    report = evaluate(
        exam, dataset=dataset, models=models, config=PAIR, out=tmp_path / "run" / "report",
        listener=ticks.append,
    )  # fmt: skip
    record = read_evidence(report.file("evidence.json"))
    assert record["scores"]["base"] == record["scores"]["tuned"]
    columns = record["likelihood"]["GEN-TEST"]
    assert columns["base_nats"] == columns["tuned_nats"]
    assert record["gates"]["retained"]["state"] == "RETAINED"
    assert record["verdict"]["verdict"] == "INCONCLUSIVE"
    assert ticks
    assert verify(tmp_path / "run") == []


def test_every_arm_sits_the_exam(setup, tmp_path):
    exam, dataset, models = setup("chat", strength=1.0, sourced=48)
    config = EvaluateConfig(against="few-shot", price_per_hour=2.0)
    report = evaluate(exam, dataset=dataset, models=models, config=config, out=tmp_path / "run" / "report")
    record = read_evidence(report.file("evidence.json"))
    arms = ["base", "tuned", FEW_SHOT, RETRIEVAL, BOTH, OPEN_BOOK]
    assert record["plan"]["arms"] == arms
    assert record["environment"]["examples"] == 48
    rows = read_table(report.file("answers.parquet"))
    assert [row["arm"] for row in rows] == [arm for arm in arms for _ in range(48)]
    asked = {arm: [row["prompt_tokens"] for row in rows if row["arm"] == arm] for arm in arms}
    assert asked["base"] == asked["tuned"]
    assert asked[RETRIEVAL] == asked[BOTH]
    assert all(few > bare for few, bare in zip(asked[FEW_SHOT], asked["base"], strict=True))
    assert all(read > bare for read, bare in zip(asked[OPEN_BOOK], asked["base"], strict=True))
    assert record["plan"]["not_asked"] == {}
    assert (
        record["figures"]["cost"]["tuned"]["saved"][FEW_SHOT] > record["figures"]["cost"]["tuned"]["saved"][RETRIEVAL]
    )
    told = {arm: [row["text"] for row in rows if row["arm"] == arm] for arm in arms}
    assert told[RETRIEVAL] != told[BOTH]
    assert sorted(record["figures"]["rivals"]) == sorted({"base", *arms} - {"tuned", FEW_SHOT})
    cost = json.loads((report.path / "notes" / "cost.json").read_text())
    assert sorted(cost["arms"]) == sorted(arms)
    assert all(arm["cost_per_1000"] > 0 and arm["peak_resident_bytes"] > 0 for arm in cost["arms"].values())
    assert verify(tmp_path / "run") == []


def test_the_plan_names_the_arms_that_can_sit_the_exam(setup, tmp_path):
    exam, dataset, _ = setup("chat", strength=0.0)
    arms = {
        "base": draft_plan(exam, dataset=dataset, config=EvaluateConfig(arms="pair"))["arms"],
        "retrieval": draft_plan(exam, dataset=dataset, config=EvaluateConfig(arms="pair", against="retrieval"))["arms"],
        "all": draft_plan(exam, dataset=dataset, config=EvaluateConfig())["arms"],
    }
    assert arms["base"] == ["base", "tuned"]
    assert arms["retrieval"] == ["base", "tuned", "retrieval"]
    assert arms["all"] == ["base", "tuned", FEW_SHOT, RETRIEVAL, BOTH]
    assert draft_plan(exam, dataset=dataset, config=EvaluateConfig(arms="pair"))["not_asked"] == {}
    with pytest.raises(UserError, match=r"evaluate\.against is 'open-book'.*there are base, few-shot"):
        draft_plan(exam, dataset=dataset, config=EvaluateConfig(against="open-book"))


def test_an_item_without_a_source_leaves_open_book_unasked_and_the_report_says_why(setup, tmp_path):
    exam, dataset, models = setup("chat", strength=1.0, sourced=47)
    report = evaluate(exam, dataset=dataset, models=models, config=EvaluateConfig(), out=tmp_path / "run" / "report")
    record = read_evidence(report.file("evidence.json"))
    assert OPEN_BOOK not in record["scores"]
    assert record["plan"]["not_asked"] == {OPEN_BOOK: NO_SOURCE.format(without=1, items=48)}
    assert "answerable" not in record["figures"]
    assert "Open book was not asked: 1 of 48 items" in report.file("report.html").read_text()
    assert "Not asked: base with each item's own source; 1 of 48" in report.file("card.md").read_text()
    assert verify(tmp_path / "run") == []


def test_without_examples_that_can_be_told_again_the_report_says_so(setup, tmp_path):
    exam, dataset, models = setup("chat", strength=0.0)
    rows = [Worded("x", "h", "a:1", (1, 2), (False, False))]
    with building(dataset.path, DatasetDir, key="k" * 64, settings={}, inputs={}) as draft:
        write_worded(draft.path / "train.parquet", rows)
        write_worded(draft.path / "validation.parquet", [])
        draft.facts |= dataset.manifest.facts
    changed = DatasetDir.open(dataset.path)
    config = EvaluateConfig(arms="pair", against="few-shot")
    report = evaluate(exam, dataset=changed, models=models, config=config, out=tmp_path / "run" / "report")
    record = read_evidence(report.file("evidence.json"))
    assert any("few-shot was asked without examples" in caveat for caveat in record["verdict"]["caveats"])
    assert record["scores"]["base"] == record["scores"]["few-shot"]


def test_a_disturbed_adapter_is_another_model_and_does_not_ship(setup, tmp_path):
    exam, dataset, models = setup("chat", strength=1.0)
    report = evaluate(exam, dataset=dataset, models=models, config=PAIR, out=tmp_path / "run" / "report")
    record = read_evidence(report.file("evidence.json"))
    columns = record["likelihood"]["GEN-TEST"]
    assert columns["base_nats"] != columns["tuned_nats"]
    assert record["verdict"]["verdict"] != "SHIP"


def test_raw_text_is_judged_by_bits_per_byte_of_which_less_is_better(setup, tmp_path):
    exam, dataset, models = setup("complete", strength=1.0)
    report = evaluate(exam, dataset=dataset, models=models, config=PAIR, out=tmp_path / "run" / "report")
    record = read_evidence(report.file("evidence.json"))
    base, tuned = (np.array(record["scores"][arm]["bits_per_byte"]) for arm in ("base", "tuned"))
    gain = record["figures"]["gain"]
    assert gain["value"] == pytest.approx(float(np.log(base / tuned).mean()), abs=1e-12)
    assert record["figures"]["tuned"]["value"] == pytest.approx(float(tuned.mean()), abs=1e-12)
    page = report.file("report.html").read_text()
    assert gain_words(gain["value"], "bits_per_byte").replace(" %", "\u00a0%") in page
    assert "points" not in page.split("How this was found")[0]
    assert verify(tmp_path / "run") == []


def test_again_is_the_same_report_and_the_same_look(setup, tmp_path):
    exam, dataset, models = setup("chat", strength=0.1)
    out = tmp_path / "run" / "report"
    given = {"dataset": dataset, "models": models, "config": PAIR}
    first = evaluate(exam, **given, out=out)
    stamp = (out / "manifest.json").stat().st_mtime_ns
    assert evaluate(exam, **given, out=out).digest == first.digest
    assert (out / "manifest.json").stat().st_mtime_ns == stamp
    shutil.rmtree(out)  # as if killed before the report was there
    assert evaluate(exam, **given, out=out).digest == first.digest
    assert len(exam.looks.read_text().splitlines()) == 2  # the look and its result


@pytest.mark.parametrize("base", ["decoder", "encoder"], indirect=True)
def test_classifiers_meet_a_linear_probe(setup, tmp_path, base):
    exam, dataset, models = setup("classify", strength=0.0)
    report = evaluate(exam, dataset=dataset, models=models, config=PAIR, out=tmp_path / "run" / "report")
    record = read_evidence(report.file("evidence.json"))
    assert record["plan"]["against"] == "linear probe"
    assert record["figures"]["base"]["value"] > record["figures"]["tuned"]["value"]
    assert record["verdict"]["verdict"] != "SHIP"
    assert record["environment"]["probe"]["strength"] > 0
    assert verify(tmp_path / "run") == []


def test_training_rows_of_exam_groups_are_dirty(setup, tmp_path):
    exam, dataset, models = setup("classify", strength=0.0)
    rows = [Worded("x", "g0", "a:1", (1, 2), (False, False), (0,)), Worded("y", "h", "a:1", (3,), (False,), (1,))]
    with building(dataset.path, DatasetDir, key="k" * 64, settings={}, inputs={}) as draft:
        write_worded(draft.path / "train.parquet", rows)
        write_worded(draft.path / "validation.parquet", [])
        draft.facts |= dataset.manifest.facts
    changed = DatasetDir.open(dataset.path)
    report = evaluate(exam, dataset=changed, models=models, config=PAIR, out=tmp_path / "run" / "report")
    gate = read_evidence(report.file("evidence.json"))["gates"]["clean"]
    assert gate["state"] == "DIRTY"
    assert len(gate["reasons"]) == 2  # the leak, and that the model was trained on another dataset


def test_a_watched_exam_is_asked_lot_by_lot_with_one_limit_for_all(setup, tmp_path):
    exam, dataset, models = setup("chat", strength=0.1)
    config = EvaluateConfig(sequential=True, arms="pair")
    report = evaluate(exam, dataset=dataset, models=models, config=config, out=tmp_path / "run" / "report")
    record = read_evidence(report.file("evidence.json"))
    fixed = EvaluateConfig(arms="pair")
    whole = evaluate(exam, dataset=dataset, models=models, config=fixed, out=tmp_path / "fixed" / "report")
    plain = read_evidence(whole.file("evidence.json"))
    assert record["figures"]["watch"]["documents"] == plain["plan"]["documents"]  # nothing to find: asked to the end
    for column in ("id", "document"):
        assert sorted(record["items"][column]) == sorted(plain["items"][column])
    assert record["environment"]["max_answer_tokens"] == plain["environment"]["max_answer_tokens"]
    assert record["figures"]["gain"]["value"] == plain["figures"]["gain"]["value"]
    assert verify(tmp_path / "run") == []


def test_only_what_writes_is_watched(setup, tmp_path):
    exam, dataset, models = setup("classify", strength=0.0)
    with pytest.raises(UserError, match="writes none"):
        evaluate(exam, dataset=dataset, models=models, config=EvaluateConfig(sequential=True), out=tmp_path / "report")
    assert not exam.looks.exists()


def test_another_exam_is_refused(setup, tmp_path):
    exam, dataset, models = setup("chat", strength=0.0)
    with building(tmp_path / "other", DatasetDir, key="k" * 64, settings={}, inputs={}) as draft:
        write_worded(draft.path / "train.parquet", [])
        draft.facts |= {**dataset.manifest.facts, "exam_root": "0" * 64}
    other = DatasetDir.open(tmp_path / "other")
    with pytest.raises(UserError, match="another exam"):
        evaluate(exam, dataset=other, models=models, config=PAIR, out=tmp_path / "run" / "report")
    assert not exam.looks.exists()


def test_verify_reads_answers_ledger_and_manifest_too(setup, tmp_path):
    exam, dataset, models = setup("chat", strength=0.1)
    out = tmp_path / "run" / "report"
    evaluate(exam, dataset=dataset, models=models, config=PAIR, out=out)
    ledger = exam.looks.read_text()
    exam.looks.write_text(ledger.replace('"look":1', '"look":2'))
    assert any("ledger" in problem for problem in verify(out))
    exam.looks.write_text(ledger)
    exam.looks.write_text(ledger.splitlines(keepends=True)[0])
    assert any("another result" in problem for problem in verify(out))
    exam.looks.write_text(ledger)
    (out / "report.html").write_bytes(b"<h1>SHIP</h1>")
    assert any("report.html" in problem for problem in verify(out))


def test_no_time_path_or_name_is_in_the_hashed_files(setup, tmp_path):
    digests = []
    for run in ("one", "two"):
        exam, dataset, models = setup("chat", strength=0.1, run=run)
        out = tmp_path / run / "report"
        report = evaluate(exam, dataset=dataset, models=models, config=PAIR, out=out)
        digests.append(report.digest)
        for name in ("evidence.json", "report.html", "card.md", "plan.json"):
            assert str(tmp_path) not in (out / name).read_text()
        assert (out / "notes" / "cost.json").is_file()
    assert digests[0] == digests[1]


def test_tasks_beside_the_one_that_decides_are_shown_and_change_no_verdict(setup, tmp_path):
    exam, dataset, models = setup("complete", strength=0.4, made=40)
    report = evaluate(exam, dataset=dataset, models=models, config=EvaluateConfig(), out=tmp_path / "run" / "report")
    record = read_evidence(report.file("evidence.json"))
    assert record["plan"]["items"] == len(record["items"]["id"]) == 48
    planned, shown, told = (part["further"][0] for part in (record["plan"], record["figures"], record))
    about = {"claim": "SKILL", "task": "cloze", "metric": "p_gold"}
    absent = {OPEN_BOOK: NO_SOURCE.format(without=30, items=30)}
    assert planned == {**about, "arms": ["base", "tuned"], "not_asked": absent, "items": 30, "documents": 10}
    assert "Open book was not asked which of four terms" in report.file("report.html").read_text()
    assert [one["metric"] for one in record["figures"]["further"]] == ["p_gold", "numeric_match"]
    assert shown["base"]["p_gold"] == pytest.approx(np.mean(told["scores"]["base"]["p_gold"]))
    assert shown["gain"]["value"] == pytest.approx(shown["tuned"]["p_gold"] - shown["base"]["p_gold"])
    assert shown["adjusted"] == min(1, 2 * shown["gain"]["p"])
    assert told["scores"]["base"] != told["scores"]["tuned"]
    assert "which of four terms" in report.file("report.html").read_text()
    assert verify(tmp_path / "run") == []
    exam, dataset, models = setup("complete", strength=0.4, run="plain")
    plain = evaluate(exam, dataset=dataset, models=models, config=EvaluateConfig(), out=tmp_path / "plain" / "report")
    assert read_evidence(plain.file("evidence.json"))["figures"]["gain"] == record["figures"]["gain"]


def test_knowledge_decides_where_it_is_the_declared_use_and_skill_is_shown_beside_it(setup, tmp_path):
    exam, dataset, models = setup("complete", strength=0.4, made=60, claim="KNOWLEDGE")
    report = evaluate(exam, dataset=dataset, models=models, config=EvaluateConfig(), out=tmp_path / "run" / "report")
    record = read_evidence(report.file("evidence.json"))
    plan = record["plan"]
    assert (plan["claim"], plan["primary"], plan["weights"]) == ("KNOWLEDGE", "p_gold", {"cloze": 1.0})
    assert plan["items"] == record["figures"]["gain"]["n"] == 45
    assert {(one["claim"], one["task"]) for one in record["further"]} == {
        ("KNOWLEDGE", "number"),
        ("SKILL", "complete"),
    }
    assert "asked without them" in report.file("report.html").read_text()
    assert sum(record["likelihood"]["TEST"]["bytes"]) > 0
    assert verify(tmp_path / "run") == []


def test_what_documents_say_is_asked_of_every_rival_and_skill_only_open_book(setup, tmp_path):
    shown = {}
    for claim in ("KNOWLEDGE", "SKILL"):
        exam, dataset, models = setup("complete", strength=0.4, run=claim, sourced=108, made=60, claim=claim)
        out = tmp_path / claim / "report"
        report = evaluate(exam, dataset=dataset, models=models, config=EvaluateConfig(price_per_hour=1.0), out=out)
        shown[claim] = read_evidence(report.file("evidence.json"))
        assert verify(tmp_path / claim) == []
    known, skill = shown["KNOWLEDGE"], shown["SKILL"]
    rivals = [FEW_SHOT, RETRIEVAL, BOTH, OPEN_BOOK]
    assert known["plan"]["arms"] == ["base", "tuned", *rivals]
    assert sorted(known["figures"]["rivals"]) == sorted(rivals)
    number = next(row for row in known["figures"]["further"] if row["task"] == "number")
    assert sorted(number["rivals"]) == sorted(rivals)
    assert [row["arms"] for row in skill["plan"]["further"]] == [["base", OPEN_BOOK, "tuned"]] * 2
    assert skill["plan"]["arms"] == ["base", "tuned"]
    for record in (known, skill):
        kinds = {(one["claim"], one["task"]): one for one in record["figures"]["answerable"]}
        assert sorted(task for _claim, task in kinds) == ["cloze", "number"]
        assert [one["decides"] for one in kinds.values()].count(True) == (record is known)
    right = known["scores"][OPEN_BOOK]["accuracy"]
    assert known["figures"]["answerable"][0]["value"] == pytest.approx(np.mean(right))
    asked = known["cost"]
    assert all(
        read > bare for read, bare in zip(*(asked[arm]["prompt_tokens"] for arm in (OPEN_BOOK, "base")), strict=True)
    )
    assert asked[RETRIEVAL] == asked[BOTH]
    told = json.loads((tmp_path / "KNOWLEDGE" / "report" / "notes" / "cost.json").read_text())
    assert sorted(told["arms"]) == sorted(known["scores"])
    assert all(arm["cost_per_1000"] > 0 for arm in told["arms"].values())


def test_options_are_asked_as_a_tree_with_the_numbers_of_each_alone(setup):
    _exam, _dataset, models = setup("complete", strength=0.4)
    engine = load_engine(models.base, tuned=models.tuned)
    asked = cloze(0).messages[0].content
    rows = [row for place in range(3) for row in option_rows(cloze(place), asked, engine.wording)]
    for row, option in zip(rows[:4], cloze(0).options, strict=True):
        learnt = [token for token, counted in zip(row.ids, row.trained, strict=True) if counted]
        assert engine.wording.decode(learnt).strip() == option
        assert row.answer_bytes == len(option) + 1
    found = engine.branch_nats(rows, adapter=True)
    alone = [engine.nats([row], adapter=True)[0] for row in rows]
    assert found == pytest.approx(alone, rel=1e-4)
