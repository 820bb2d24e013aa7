"""Search and likeness: the metrics against their oracles, and a whole examination of an embedder."""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluate_trials import make_setting
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import ndcg_score
from tiny_bases import write_tiny_tokenizer

from luthier.artifacts.canonical import sha256_of
from luthier.artifacts.folders import DatasetDir, ExamDir, building
from luthier.artifacts.rows import TASK_SCHEMA, TASKS, write_worded
from luthier.artifacts.tables import write_table
from luthier.evaluate.arms import Arm
from luthier.evaluate.config import EvaluateConfig
from luthier.evaluate.general import ask_tasks
from luthier.evaluate.metrics.ranking import ndcg, rank_words, ranks_of, retrieval_scores, spearman_shares, told_ranks
from luthier.evaluate.report.evidence import Observed, assemble, evidence_bytes
from luthier.evaluate.report.folder import card
from luthier.evaluate.report.page import render_page
from luthier.evaluate.retrieval import WordIndex
from luthier.evaluate.sitting import Room
from luthier.evaluate.tasks.embed import pool_of, score_pairs, search, search_words
from luthier.evaluate.verify import _scored_again, verify
from luthier.models.chat import Wording, load_wording
from luthier.prepare.general.text import general_search
from luthier.records import Item, Message, Worded


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.data())
def test_equal_scores_stand_in_the_order_of_the_candidates(scores: list[int], data: st.DataObject) -> None:
    relevant = sorted(data.draw(st.sets(st.integers(0, len(scores) - 1), min_size=1)))
    order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
    expected = sorted(order.index(place) + 1 for place in relevant)
    assert ranks_of(np.array(scores, dtype=float), relevant) == expected
    assert told_ranks(rank_words(expected, "1, 2 | some text")) == expected


@given(st.integers(2, 40), st.data())
def test_ndcg_is_that_of_scikit_learn(size: int, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(size)))
    relevant = sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=1)))
    gold = [float(place in relevant) for place in range(size)]
    ranks = ranks_of(np.array(order, dtype=float), relevant)
    assert ndcg(ranks) == pytest.approx(ndcg_score([gold], [order], k=10), abs=1e-12)


def test_all_metrics_of_one_search() -> None:
    found = retrieval_scores([2, 30])
    assert found["ndcg_10"] == pytest.approx((1 / math.log2(3)) / (1 + 1 / math.log2(3)))
    assert [found[f"recall_{depth}"] for depth in (1, 10, 100)] == [0.0, 0.5, 1.0]
    assert found["mrr_10"] == 0.5
    assert retrieval_scores([11])["mrr_10"] == 0.0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=20))
def test_shares_of_pairs_add_up_to_spearmans_correlation(pairs: list[tuple[int, int]]) -> None:
    left, right = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    assume(left.std() > 0 and right.std() > 0)
    shares = spearman_shares(left, right)
    assert float(shares.mean()) == pytest.approx(spearmanr(left, right).statistic, abs=1e-9)


def test_equal_likenesses_are_in_no_order() -> None:
    assert not spearman_shares(np.ones(4), np.arange(4.0)).any()


def test_the_spread_of_shares_is_that_of_the_correlation() -> None:
    random = np.random.default_rng(0)
    found, told = [], []
    for _ in range(400):
        left = random.normal(size=200)
        right = 0.8 * left + 0.6 * random.normal(size=200)
        shares = spearman_shares(left, right)
        found.append(float(shares.mean()))
        told.append(float(shares.std() / math.sqrt(len(shares))))
    assert np.mean(told) == pytest.approx(np.std(found), rel=0.15)


def test_bm25_by_hand() -> None:
    texts = ["the cat sat", "the dog sat on the cat", "a bird"]
    scores = WordIndex(texts).scores("Cat cat bird zebra")
    mean = (3 + 6 + 2) / 3

    def term(frequency: int, documents: int, length: int) -> float:
        rarity = math.log(1 + (3 - documents + 0.5) / (documents + 0.5))
        return rarity * frequency * 2.2 / (frequency + 1.2 * (1 - 0.75 + 0.75 * length / mean))

    assert scores == pytest.approx([2 * term(1, 2, 3), 2 * term(1, 2, 6), term(1, 1, 2)])


@pytest.fixture
def wording(tmp_path: Path) -> Wording:
    return load_wording(write_tiny_tokenizer(tmp_path / "wording"))


class Letters:
    """Vectors that count letters; the base's are blurred."""

    def __init__(self, wording: Wording) -> None:
        self.wording = wording

    def embed(self, rows: Sequence[Sequence[int]], *, adapter: bool, listener: Any) -> Any:
        counts = np.array([np.bincount(row, minlength=260) for row in rows], dtype=float)
        if adapter:
            return counts
        return counts + 3 * np.random.default_rng(1).random(counts.shape)


def make_items(wording: Wording, count: int) -> list[Item]:
    words = ["".join(chr(97 + (place * step) % 26) for step in range(1, 6)) for place in range(count)]
    return [
        Item(f"{place:016x}", f"g{place}", "embed", (Message("user", word[::-1]),), (f"{word} {place}",), f"a:{place}")
        for place, word in enumerate(words)
    ]


def write_dataset(folder: Path, wording: Wording) -> DatasetDir:
    with building(folder, DatasetDir, key="d" * 64, settings={}, inputs={}) as draft:
        for name in ("train", "validation"):
            parts = [wording.text_ids(text) for text in (f"a query of {name}", f"zzz {name}", "shared negative")]
            ends = tuple(int(end) for end in np.cumsum([len(part) for part in parts]))
            row = Worded(name, name, "a", tuple(token for part in parts for token in part), (False,) * ends[-1])
            write_worded(draft.path / f"{name}.parquet", [replace(row, ends=ends)])
    return DatasetDir.open(folder)


def nobody(_tick: object) -> None:
    """Not interested."""


def record_of(
    items: list[Item], base: Arm, tuned: Arm, primary: str, *, general: dict[str, Any] | None = None, **rivals: Arm
) -> dict[str, Any]:
    setting = make_setting(items, objective="embed")
    plan = {**setting.plan, "primary": primary, "against": "base", "weights": {"embed": 1.0}}
    plan["retention_tasks"] = sorted(general or {})
    plan["arms"] = ["base", "tuned", *rivals]
    environment = {**setting.environment, "pool": 9}
    frozen = {"sha256": sha256_of(plan), "changed": {}}
    setting = replace(setting, plan=plan, frozen_plan=frozen, environment=environment)
    observed = Observed(items, base, tuned, (), {}, rivals, general=general or {})
    return {"observed": observed, "record": assemble(setting, observed)}


def answers_of(made: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for name, arm in made["observed"].arms.items():
        scores = next(arm.scores[metric] for metric in ("ndcg_10", "spearman") if metric in arm.scores)
        spent = {"prompt_tokens": None, "answer_tokens": None}
        for item, text, score in zip(made["observed"].items, arm.texts, scores, strict=True):
            rows.append({"item": item.id, "arm": name, "text": text, "score": score, **spent})
    return rows


def check(made: dict[str, Any], folder: Path) -> None:
    """The evidence holds, is shown, and its answers score what is told."""
    record, observed = made["record"], made["observed"]
    path = folder / "evidence.json"
    path.write_bytes(evidence_bytes(record))
    assert verify(path) == []
    assert card(record)
    assert render_page(record, observed)
    rows = answers_of(made)
    assert _scored_again(record, rows, list(observed.items)) == []
    rows[0]["text"] = rank_words([7], "x") if "|" in rows[0]["text"] else "0.999"
    assert _scored_again(record, rows, list(observed.items))


def test_an_embedder_is_examined_by_what_it_finds(tmp_path: Path, wording: Wording) -> None:
    items = make_items(wording, 60)
    pool = pool_of(write_dataset(tmp_path / "dataset", wording), items, wording=wording)
    assert len(pool) == 60 + 3
    engine = Letters(wording)
    base, tuned = (search(items, pool, engine=engine, adapter=adapter, listener=nobody) for adapter in (False, True))
    words = search_words(items, pool, wording)
    assert np.mean(tuned.scores["ndcg_10"]) > np.mean(base.scores["ndcg_10"])
    made = record_of(items, base, tuned, "ndcg_10", BM25=words)
    figures = made["record"]["figures"]
    assert figures["gain"]["value"] > 0
    assert figures["recall_10"]["tuned"]["value"] >= figures["recall_1"]["tuned"]["value"]
    assert figures["rivals"]["BM25"]["gain"]["value"] > 0
    check(made, tmp_path)


def test_an_embedder_must_still_find_what_general_texts_mean(tmp_path: Path, wording: Wording) -> None:
    items, dataset = make_items(wording, 60), write_dataset(tmp_path / "dataset", wording)
    pool = pool_of(dataset, items, wording=wording)
    tasks = general_search().tasks
    with building(tmp_path / "exam", ExamDir, key="e" * 64, settings={}, inputs={}) as draft:
        write_table(draft.path / TASKS, map(asdict, tasks), schema=TASK_SCHEMA)
    config = EvaluateConfig(general_texts=200)
    room = Room(ExamDir.open(tmp_path / "exam"), dataset, Letters(wording), config, nobody, {})
    found = ask_tasks(room)
    columns = found["search"]
    asked = [task for task in tasks if task.cluster in {one.cluster for one in tasks[:200]}]
    assert len(columns["document"]) == len(asked) >= 500
    assert len(set(columns["document"])) == 200
    assert np.mean(columns["tuned"]) > 3 * columns["chance"][0]  # letters tell a little of what is meant
    engine = Letters(wording)
    arms = {adapter: search(items, pool, engine=engine, adapter=adapter, listener=nobody) for adapter in (True, False)}
    kept = record_of(items, arms[False], arms[True], "ndcg_10", general=found)
    assert kept["record"]["gates"]["retained"]["state"] == "RETAINED"
    swapped = {"search": {**columns, "base": columns["tuned"], "tuned": [0.0] * len(columns["tuned"])}}
    lost = record_of(items, arms[False], arms[True], "ndcg_10", general=swapped)
    assert lost["record"]["gates"]["retained"]["state"] == "FORGOT"
    assert lost["record"]["verdict"]["verdict"] == "DON'T SHIP"
    assert "Search in general texts (nDCG@10)" in render_page(lost["record"], lost["observed"]).decode()
    check(kept, tmp_path)


def test_what_belongs_to_a_query_in_one_item_belongs_to_it_in_all(tmp_path: Path, wording: Wording) -> None:
    items = make_items(wording, 4)
    items[1] = replace(items[1], messages=items[0].messages)
    pool = pool_of(write_dataset(tmp_path / "dataset", wording), items, wording=wording)
    found = search(items, pool, engine=Letters(wording), adapter=True, listener=nobody)
    assert len(told_ranks(found.texts[0])) == 2
    assert found.texts[0] == found.texts[1]
    assert len(told_ranks(found.texts[2])) == 1


def test_pairs_are_judged_by_their_order(tmp_path: Path, wording: Wording) -> None:
    random = np.random.default_rng(2)
    items = [
        replace(item, golds=(item.golds[0], repr(place / 60))) for place, item in enumerate(make_items(wording, 60))
    ]
    gold = np.arange(60) / 60
    base, tuned = (score_pairs(items, list(gold + noise * random.normal(size=60))) for noise in (2.0, 0.1))
    made = record_of(items, base, tuned, "spearman")
    assert made["record"]["figures"]["gain"]["low"] > 0
    check(made, tmp_path)
