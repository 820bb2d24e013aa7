"""Better and worse answers on sealed exams: win rate of a tuned decoder, pair accuracy of a reward model."""

import json

import pytest
import torch
from evaluate_trials import ALIKE, LEAKS

from luthier.artifacts.canonical import canonical_json, merkle_root
from luthier.artifacts.folders import DatasetDir, ExamDir, ModelDir, building
from luthier.artifacts.rows import item_row, write_items, write_worded
from luthier.artifacts.tables import read_table, write_table
from luthier.evaluate.config import EvaluateConfig, Models
from luthier.evaluate.metrics.pairs import choice_words, chosen_share, says
from luthier.evaluate.report.evidence import read_evidence
from luthier.evaluate.report.folder import ANSWER_SCHEMA
from luthier.evaluate.stage import evaluate
from luthier.evaluate.tasks import prefer
from luthier.evaluate.verify import verify
from luthier.models.adapters import AdapterShape, inject, lora_layers, save_adapter
from luthier.models.chat import load_wording, save_wording
from luthier.models.load import load_model
from luthier.objectives import objective
from luthier.records import Item, Message, Worded


def make_items(count, *, golds=("yes", "no, never"), task="prefer"):
    asked = (Message("user", "Is it so?"), Message("assistant", "Which?"))
    return [
        Item(f"{place:016x}", f"g{place // 2}", task, (*asked, Message("user", f"number {place}")), golds, "a:1")
        for place in range(count)
    ]


def make_rows(wording, count):
    rows = []
    for place in range(count):
        turns = [Message("user", f"Is it so, number {place}?")]
        texts = [wording.chat_ids([*turns, Message("assistant", answer)]) for answer in ("yes", "no")]
        ids, trained = (sum((getattr(text, name) for text in texts), ()) for name in ("ids", "trained"))
        rows.append(Worded(f"r{place}", f"t{place}", "a:1", ids, trained, ends=(len(texts[0].ids), len(ids))))
    return rows


@pytest.fixture
def sat(make_base, tmp_path):
    """Let a tuned model, its adapter disturbed by `strength`, sit an exam; returns the run folder."""

    def make(goal, *, strength, items):
        base = make_base("llama")
        folder, wording = tmp_path / f"{goal}-{strength}", load_wording(base.folder)
        root = merkle_root([canonical_json(item_row(item)) for item in items])
        facts = {"objective": goal, "labels": [], "exam_root": root, "base_digest": base.digest, "alike": ALIKE}
        ids = wording.document_ids("General text.")
        text = Worded("n", "n", "general", ids, (False, *(True,) * (len(ids) - 1)), (), 13)
        with building(folder / "exam", ExamDir, key="k" * 64, settings={}, inputs={}) as draft:
            write_items(draft.path / "items.parquet", items)
            write_worded(draft.path / "general.parquet", [text])
            (draft.path / "seal.json").write_text(json.dumps({"root": root, "leaves": len(items)}))
            (draft.path / "leaks.json").write_text(json.dumps(LEAKS))
        with building(folder / "dataset", DatasetDir, key="k" * 64, settings={}, inputs={}) as draft:
            write_worded(draft.path / "train.parquet", make_rows(wording, 12))
            write_worded(draft.path / "validation.parquet", make_rows(wording, 4))
            draft.facts |= facts
        dataset = DatasetDir.open(folder / "dataset")
        inputs = {"dataset": dataset.digest, "base": base.digest}
        with building(folder / "model", ModelDir, key="m" * 64, settings={}, inputs=inputs) as draft:
            loaded, shape = load_model(base, objective(goal), dtype=torch.float32), AdapterShape(rank=2, alpha=4)
            inject(loaded.model, shape, skip=loaded.skip, seed=0)
            for _, layer in lora_layers(loaded.model):
                torch.nn.init.normal_(layer.lora_B, std=strength, generator=torch.Generator().manual_seed(1))
            save_adapter(draft.path, loaded.model, shape=shape, base_name="tiny", heads=loaded.heads, task=loaded.task)
            save_wording(draft.path, wording, base=base.folder)
            draft.facts |= {**facts, "template_hash": wording.template_hash}
        models = Models(base=base, tuned=ModelDir.open(folder / "model"))
        evaluate(
            ExamDir.open(folder / "exam"), dataset=dataset, models=models, config=EvaluateConfig(),
            out=folder / "report",
        )  # fmt: skip
        return folder

    return make


def test_a_model_that_learnt_nothing_prefers_neither_answer(sat):
    folder = sat("prefer", strength=0.0, items=make_items(24))
    record = read_evidence(folder / "report" / "evidence.json")
    assert set(record["scores"]["tuned"]["win_rate"]) == {0.5}
    assert record["scores"]["tuned"] == record["scores"]["base"]
    assert record["verdict"]["verdict"] != "SHIP"
    assert record["gates"]["retained"]["state"] != "NOT ASKED"
    assert verify(folder) == []


def test_win_rate_is_told_with_pair_accuracy_beside_it(sat):
    folder = sat("prefer", strength=0.3, items=make_items(24))
    record = read_evidence(folder / "report" / "evidence.json")
    assert set(record["scores"]["base"]["win_rate"]) == {0.5}
    assert set(record["scores"]["tuned"]["win_rate"]) <= {0.0, 1.0}
    assert record["figures"]["gain"]["value"] == pytest.approx(record["figures"]["tuned"]["value"] - 0.5)
    assert "gain" in record["figures"]["pair_accuracy"]
    page = (folder / "report" / "report.html").read_text()
    assert "win rate" in page
    assert "prefers the" in page
    assert verify(folder) == []
    rows = read_table(folder / "report" / "answers.parquet")
    edited = [{**row, "text": choice_words(0.0)} if row["arm"] == "tuned" else row for row in rows]
    write_table(folder / "report" / "answers.parquet", edited, schema=ANSWER_SCHEMA)
    assert any("is not its score" in problem for problem in verify(folder))


def test_rewards_are_compared_with_a_probe_on_the_base(sat):
    folder = sat("reward", strength=0.3, items=make_items(24, golds=("yes", "no"), task="reward"))
    record = read_evidence(folder / "report" / "evidence.json")
    assert record["models"]["base"]["arm"] == "linear probe"
    assert set(record["scores"]["base"]["pair_accuracy"]) <= {0.0, 1.0}
    assert sum(record["scores"]["base"]["pair_accuracy"]) == 24  # "yes" against "no", as in every training row
    assert record["gates"]["retained"]["state"] == "NOT ASKED"
    assert verify(folder) == []


def test_the_implicit_reward_decides_and_a_missing_answer_has_that_of_the_base():
    pairs, good, bad = (make_items(1, golds=golds)[0] for golds in (("a", "b"), ("a", ""), ("", "b")))
    before, after = [(-7.0, -3.0), (-2.0, 0.0), (0.0, -8.0)], [(-5.0, -2.0), (-1.0, 0.0), (0.0, -9.0)]
    arm = prefer.score([pairs, good, bad], after, base=before)
    assert arm.scores["win_rate"] == [1.0, 1.0, 1.0]
    assert "pair_accuracy" not in arm.scores
    arm = prefer.score([pairs], after[:1], base=before[:1])
    assert arm.scores["pair_accuracy"] == [0.0]
    assert [chosen_share(lead) for lead in (1e-9, 0.0, -1e-9)] == [1.0, 0.5, 0.0]
    assert all(says(choice_words(lead), chosen_share(lead)) for lead in (2.0, 0.0, -2.0))
    assert not says(choice_words(1.0), 0.0)


def test_answers_of_the_prompt_itself_are_context(tiny_tokenizer_folder):
    wording = load_wording(tiny_tokenizer_folder)
    [item] = make_items(1)
    better, worse = prefer.answer_rows([item], wording=wording)
    for row, answer in ((better, "yes"), (worse, "no, never")):
        learnt = [token for token, trained in zip(row.ids, row.trained, strict=True) if trained]
        assert wording.decode(learnt) == answer
        assert row.ids[: row.trained.index(True)] == wording.prompt_ids(item.messages)
