"""Several labels of a text: counts, and both F1 against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from luthier.evaluate.compare import compare_several, sample_of
from luthier.evaluate.metrics.labels import macro_f1, micro_f1, scored_of_several, several_counts
from luthier.evaluate.tasks.classify import score_several
from luthier.records import Item

LABELS = ("calm", "cold", "wet")


def drawn(seed: int, *, rows: int = 60) -> list[tuple[int, ...]]:
    dice = np.random.default_rng(seed)
    return [tuple(np.flatnonzero(dice.random(3) < 0.4).tolist()) for _ in range(rows)]


def matrix(named: list[tuple[int, ...]]) -> np.ndarray:
    found = np.zeros((len(named), 3), dtype=np.int64)
    for place, labels in enumerate(named):
        found[place, list(labels)] = 1
    return found


def test_f1_of_several_labels_is_that_of_scikit_learn() -> None:
    gold, named, documents = drawn(0), drawn(1), np.arange(60) // 5
    counts = several_counts(gold, named, document_N=documents, labels=3)
    assert counts.shape == (12, 9)
    kept = scored_of_several(gold, documents, labels=3)
    assert kept.tolist() == [0, 1, 2]
    told = matrix(gold), matrix(named)
    assert float(macro_f1(kept, labels=3)(counts.sum(axis=0))) == pytest.approx(f1_score(*told, average="macro"))
    assert float(micro_f1(labels=3)(counts.sum(axis=0))) == pytest.approx(f1_score(*told, average="micro"))


def test_better_labels_are_a_gain() -> None:
    gold = drawn(0)
    tuned = [labels if place % 4 else () for place, labels in enumerate(gold)]
    counts = {"labels": 3, "gold": gold, "tuned": tuned, "base": drawn(1)}
    sample = sample_of([f"g{place // 3}" for place in range(60)], ["classify"] * 60, weights={"classify": 1.0})
    figures = compare_several(counts, sample=sample, alpha=0.025, seed=0)
    assert figures["gain"]["low"] > 0
    assert figures["tuned"]["value"] > figures["base"]["value"]
    assert figures["micro_f1"]["gain"]["value"] > 0


def test_a_text_is_right_with_all_its_labels_and_no_other() -> None:
    golds = [("wet", "cold"), (), ("calm",)]
    items = [Item(str(place), "g", "classify", (), gold, "a:1") for place, gold in enumerate(golds)]
    arm = score_several(items, np.array([[0, 1, 1], [0, 0, 0], [1, 1, 0]], dtype=np.bool_), labels=LABELS)
    assert arm.texts == ("cold; wet", "", "calm; cold")
    assert arm.scores["accuracy"] == [1.0, 1.0, 0.0]
    assert arm.named == ((1, 2), (), (0, 1))
