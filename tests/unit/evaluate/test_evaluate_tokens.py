"""Taggers and extractors: counts of entities, the whole stage on a two-layer encoder, and what `verify` catches."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from evaluate_trials import ALIKE, LEAKS
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score

from luthier.artifacts.canonical import canonical_json, merkle_root, sha256_of
from luthier.artifacts.folders import DatasetDir, ExamDir, ModelDir, building
from luthier.artifacts.rows import item_row, write_items, write_worded
from luthier.evaluate.config import EvaluateConfig, Models
from luthier.evaluate.metrics.spans import span_counts, span_f1, types_of
from luthier.evaluate.report.evidence import evidence_bytes, read_evidence
from luthier.evaluate.span_probe import Pointed, fit_span_probe
from luthier.evaluate.stage import evaluate
from luthier.evaluate.verify import verify
from luthier.models.adapters import AdapterShape, inject, lora_layers, save_adapter
from luthier.models.bases import Base
from luthier.models.chat import Wording, load_wording, save_wording
from luthier.models.extract import best_answer
from luthier.models.load import load_model
from luthier.models.spans import bio_of, entities_in, entity_text, label_list
from luthier.models.texts import PairWindow, WordedPair
from luthier.objectives import objective
from luthier.records import Entity, Item, Message, Worded

LABELS = label_list(["PLACE", "WHO"])
many_tags = st.lists(st.lists(st.sampled_from(LABELS), min_size=1, max_size=8), min_size=1, max_size=6)


def spans(tags: Sequence[str]) -> tuple[Entity, ...]:
    return entities_in(tags, [(place, place + 1) for place in range(len(tags))])


@pytest.mark.filterwarnings("ignore::UserWarning")  # seqeval speaks up where nothing was named
@settings(deadline=None, max_examples=50)
@given(gold=many_tags, data=st.data())
def test_span_f1_is_seqevals(gold: list[list[str]], data: st.DataObject) -> None:
    named = [[data.draw(st.sampled_from(LABELS)) for _ in tags] for tags in gold]
    types = types_of(LABELS)
    counts = np.array([span_counts(spans(a), spans(b), types=types) for a, b in zip(gold, named, strict=True)])
    found = float(span_f1(types=len(types))(counts.sum(axis=0).astype(float)))
    assert found == pytest.approx(float(f1_score(gold, named, zero_division=0)), abs=1e-12)
    for place, kind in enumerate(types):
        only = [[[tag if tag.endswith(kind) else "O" for tag in tags] for tags in side] for side in (gold, named)]
        wanted = float(f1_score(*only, zero_division=0))
        metric = span_f1(types=len(types), only=place)
        assert float(metric(counts.sum(axis=0).astype(float))) == pytest.approx(wanted, abs=1e-12)


def test_the_best_answer_is_a_stretch_of_the_context_or_none() -> None:
    pair = WordedPair((0,) * 6, (2, 6), (None, None, (0, 3), (4, 6), (6, 9), None))
    logits = np.zeros((6, 2))
    logits[4, 0] = logits[2, 1] = 9.0  # the wrong way round
    logits[5] = 20.0  # outside of the context
    logits[3, 0], logits[4, 1] = 5.0, 4.0
    found = best_answer([logits], [PairWindow(0, "", pair)])
    assert found is not None
    assert (found.start, found.end) == (6, 9)
    assert 0 < found.score < 1
    unsure = logits.copy()
    unsure[0] = 9.0
    assert best_answer([unsure], [PairWindow(0, "", pair)]) is None
    moved = best_answer([unsure, logits], [PairWindow(0, "", pair), PairWindow(100, "", pair)])
    assert moved is not None
    assert (moved.start, moved.end) == (106, 109)


def test_the_probe_points_where_states_say_so() -> None:
    random = np.random.default_rng(0)

    def rows(count: int) -> Pointed:
        lengths = random.integers(4, 9, count)
        ends = np.sort(random.integers(0, lengths[:, None], (count, 2)), axis=1)
        states = random.normal(0, 1, (int(lengths.sum()), 5))
        starts = np.cumsum(lengths) - lengths
        states[starts + ends[:, 0], 0] += 8
        states[starts + ends[:, 1], 1] += 8
        return Pointed(states, lengths, ends)

    probe, fresh = fit_span_probe(rows(80), rows(40)), rows(50)
    assert probe.converged
    parts = np.split(probe.logits(fresh.states_TH), np.cumsum(fresh.lengths_B)[:-1])
    found = np.array([part.argmax(axis=0) for part in parts])
    assert (found == fresh.ends_B2).mean() > 0.95


def tag_case(wording: Wording, place: int) -> tuple[Item, Worded]:
    text = f"Ada {place}, of Rome." if place % 3 else f"nothing {place}"
    entities = [Entity(0, 3, "WHO"), Entity(len(text) - 5, len(text) - 1, "PLACE")] if place % 3 else []
    worded = wording.word_ids(text)
    labels = tuple(LABELS.index(label) for label in bio_of(entities, worded.words))
    golds = tuple(map(entity_text, entities))
    row = Worded(f"r{place}", f"g{place // 4}", "a:1", worded.ids, worded.first, labels)
    return Item(f"{place:016x}", f"g{place // 4}", "tag", (Message("user", text),), golds, "a:1"), row


def extract_case(wording: Wording, place: int) -> tuple[Item, Worded]:
    texts = (f"Who is {place}?", f"There is Ada {place} here")
    pair = wording.pair_ids(*texts)
    answer = pair.tokens_of(9, 12) if place % 3 else (0, 0)
    assert answer is not None
    row = Worded(f"r{place}", f"g{place}", "a:1", pair.ids, (False,) * len(pair.ids), answer, 0, pair.ends)
    messages = tuple(Message("user", text) for text in texts)
    gold = ("Ada",) if place % 3 else ("",)
    return Item(f"{place:016x}", f"g{place // 4}", "extract", messages, gold, "a:1"), row


@pytest.fixture
def evaluated(make_base: Callable[[str], Base], tmp_path: Path) -> Callable[[str], Path]:
    """Write exam, dataset and a disturbed model, and evaluate; the run folder."""

    def make(goal: str) -> Path:
        base, run = make_base("bert"), tmp_path / "run"
        wording = load_wording(base.folder)
        cases = [{"tag": tag_case, "extract": extract_case}[goal](wording, place) for place in range(108)]
        items, rows = [item for item, _ in cases[:48]], [row for _, row in cases[48:]]
        root = merkle_root([canonical_json(item_row(item)) for item in items])
        facts = {"objective": goal, "exam_root": root, "base_digest": base.digest, "alike": ALIKE}
        facts |= {"labels": LABELS} if goal == "tag" else {}
        with building(run / "exam", ExamDir, key="k" * 64, settings={}, inputs={}) as draft:
            write_items(draft.path / "items.parquet", items)
            (draft.path / "seal.json").write_text(json.dumps({"root": root, "leaves": len(items)}))
            (draft.path / "leaks.json").write_text(json.dumps(LEAKS))
        with building(run / "dataset", DatasetDir, key="k" * 64, settings={}, inputs={}) as draft:
            write_worded(draft.path / "train.parquet", rows[:40])
            write_worded(draft.path / "validation.parquet", rows[40:])
            draft.facts |= facts
        dataset = DatasetDir.open(run / "dataset")
        inputs = {"dataset": dataset.digest, "base": base.digest}
        with building(run / "model", ModelDir, key="m" * 64, settings={}, inputs=inputs) as draft:
            write_model(draft.path, base, goal)
            save_wording(draft.path, wording, base=base.folder)
            draft.facts |= {**facts, "template_hash": wording.template_hash}
        models = Models(base=base, tuned=ModelDir.open(run / "model"))
        evaluate(
            ExamDir.open(run / "exam"), dataset=dataset, models=models, config=EvaluateConfig(), out=run / "report"
        )
        return run

    return make


def write_model(folder: Path, base: Base, goal: str) -> None:
    labels = LABELS if goal == "tag" else ()
    loaded = load_model(base, objective(goal), dtype=torch.float32, labels=labels)
    shape = AdapterShape(rank=2, alpha=4)
    inject(loaded.model, shape, skip=loaded.skip, seed=0)
    for _, layer in lora_layers(loaded.model):
        torch.nn.init.normal_(layer.lora_B, std=0.5, generator=torch.Generator().manual_seed(1))
    save_adapter(folder, loaded.model, shape=shape, base_name="tiny", heads=loaded.heads, task=loaded.task)


def edited(run: Path, edit: Callable[[dict[str, Any]], None]) -> str:
    """What `verify` says of an evidence file whose hash was mended after the edit."""
    record = read_evidence(run / "report" / "evidence.json")
    edit(record)
    record["sha256"] = sha256_of({key: value for key, value in record.items() if key != "sha256"})
    file = run / "edited.json"
    file.write_bytes(evidence_bytes(record))
    return " ".join(verify(file))


def test_a_tagger_is_judged_by_its_entities(evaluated: Callable[[str], Path]) -> None:
    run = evaluated("tag")
    record = read_evidence(run / "report" / "evidence.json")
    assert verify(run) == []
    counts, figures = record["counts"]["spans"], record["figures"]
    total = np.array(counts["base"]).sum(axis=0).reshape(3, 2).sum(axis=1)
    assert figures["base"]["value"] == pytest.approx(2 * total[0] / (2 * total[0] + total[1] + total[2]), abs=1e-12)
    assert figures["base"]["value"] > figures["tuned"]["value"]  # the head of the tuned model knows nothing
    assert [(row["type"], row["n"]) for row in figures["by_type"]] == [(0, 32), (1, 32)]
    assert record["verdict"]["verdict"] == "DON'T SHIP"
    page = (run / "report" / "report.html").read_text(encoding="utf-8")
    assert "By type of entity" in page
    assert "Rome (PLACE)" in page
    assert "entity span F1" in page


def test_an_extractor_is_judged_by_shared_words_and_equal_answers(evaluated: Callable[[str], Path]) -> None:
    run = evaluated("extract")
    record = read_evidence(run / "report" / "evidence.json")
    assert verify(run) == []
    figures = record["figures"]
    for name, figure in (("token_f1", figures), ("exact_match", figures["exact_match"])):
        assert figure["base"]["value"] == pytest.approx(np.mean(record["scores"]["base"][name]), abs=1e-12)
    assert record["scores"]["base"]["token_f1"] != record["scores"]["tuned"]["token_f1"]
    assert "token F1" in (run / "report" / "report.html").read_text(encoding="utf-8")


def test_counts_that_were_edited_are_caught(evaluated: Callable[[str], Path]) -> None:
    run = evaluated("tag")

    def more(record: dict[str, Any]) -> None:
        record["counts"]["spans"]["tuned"][1][0] += 1

    def negative(record: dict[str, Any]) -> None:
        record["counts"]["spans"]["base"][0][2] = -1

    def fewer(record: dict[str, Any]) -> None:
        del record["counts"]["spans"]["base"][0]

    assert "not asked for the same entities" in edited(run, more)
    assert "not three counts" in edited(run, negative)
    assert "different length" in edited(run, fewer)
    assert edited(run, lambda _record: None) == ""
