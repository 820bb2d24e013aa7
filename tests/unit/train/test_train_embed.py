"""Embedders: the two losses, cached gradients, and what is saved."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import PeftModel
from torch import Tensor
from trainings import Training, make_rows, texts_row
from transformers import AutoModel

from luthier.errors import UserError
from luthier.models.adapters import AdapterShape, inject, lora_layers
from luthier.models.bases import Base
from luthier.models.chat import load_wording
from luthier.models.dropout import quicken_dropout
from luthier.models.embed import padded_vectors, stream_vectors
from luthier.models.engines.hf import load_engine
from luthier.models.load import load_model
from luthier.models.pooling import Pooling, read_pooling, save_pooling
from luthier.objectives import objective
from luthier.records import Worded
from luthier.train.batches import StepPlan, cut_packed
from luthier.train.learner import Learner, Pace
from luthier.train.losses.embed import EmbedLoss, cosent, row_nats
from luthier.train.stopping import History

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks by an old name
MakeBase = Callable[[str], Base]
PACE = Pace(learning_rate=0.0, warmup=0.0, weight_decay=0.0, clip=1e9, micro_batch_tokens=10_000)
MEAN, FIRST = Pooling(), Pooling("cls", normalise=False)


def bare_row(place: int, *texts: Sequence[int], score: float | None = None) -> Worded:
    ids = tuple(token for text in texts for token in text)
    ends = tuple(sum(map(len, texts[: number + 1])) for number in range(len(texts)))
    return Worded(f"{place}", "g", "a", ids, (False,) * len(ids), ends=ends, score=score)


def cosines(left: Tensor, right: Tensor) -> Tensor:
    return torch.nn.functional.cosine_similarity(left[:, None].double(), right[None].double(), dim=-1)


def test_in_batch_negatives_are_a_softmax_over_all_positives_and_negatives() -> None:
    rows = [bare_row(place, [place], [10 + place], *([[20 + place]] if place % 2 else [])) for place in range(4)]
    vectors = torch.randn(10, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found = row_nats(vectors, rows, scale=20.0)
    at = {text: place for place, text in enumerate((0, 10, 1, 11, 21, 2, 12, 3, 13, 23))}
    candidates = [10, 11, 21, 12, 13, 23]
    scores = 20 * cosines(vectors[[at[query] for query in range(4)]], vectors[[at[text] for text in candidates]])
    expected = scores.logsumexp(dim=1) - scores[torch.arange(4), torch.tensor([0, 1, 3, 4])]
    assert torch.allclose(found.double(), expected, rtol=1e-5)
    [ours] = torch.autograd.grad(found.sum(), vectors, retain_graph=True)
    [theirs] = torch.autograd.grad(expected.sum(), vectors)
    assert float((ours - theirs).norm() / theirs.norm()) < 1e-5


def test_what_belongs_to_a_query_is_no_negative_of_it() -> None:
    same = [bare_row(0, [1], [9]), bare_row(1, [2], [9]), bare_row(2, [1], [8]), bare_row(3, [3], [1])]
    vectors = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    vectors[3] = vectors[1]
    vectors[4] = vectors[7] = vectors[0]
    scores = 20 * cosines(vectors[[0, 2, 4, 6]], vectors[[1, 3, 5, 7]])
    for query, other in [(0, 1), (0, 2), (0, 3), (1, 0), (2, 0), (2, 1), (2, 3)]:
        scores[query, other] = -math.inf
    expected = scores.logsumexp(dim=1) - scores.diagonal()
    assert torch.allclose(row_nats(vectors, same, scale=20.0).double(), expected, rtol=1e-5)


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-1, 1)), min_size=1, max_size=8))
def test_scores_are_learnt_as_an_order(pairs: list[tuple[int, float]]) -> None:
    scores, near = (torch.tensor(values, dtype=torch.float64) for values in zip(*pairs, strict=True))
    terms = [math.exp(20 * (b - a)) for s, a in pairs for t, b in pairs if s > t]
    assert float(cosent(near, scores, scale=20.0)) == pytest.approx(math.log1p(math.fsum(terms)), rel=1e-9)


def test_scored_rows_and_others_may_share_a_step() -> None:
    plain = [bare_row(0, [1], [2]), bare_row(1, [3], [4], [5])]
    scored = [bare_row(2, [6], [7], score=0.9), bare_row(3, [8], [9], score=0.1)]
    vectors = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    both = row_nats(vectors, [*plain, *scored], scale=20.0)
    assert torch.allclose(both[:2], row_nats(vectors[:5], plain, scale=20.0))
    assert torch.allclose(both[2:], row_nats(vectors[5:], scored, scale=20.0))
    assert both[2] == both[3] > 0


def make_learner(make_base: MakeBase, rows: Sequence[Worded], *, dropout: float, micro: int) -> Learner:
    model = load_model(make_base("bert"), objective("embed"), dtype=torch.float32).model
    inject(model, AdapterShape(rank=2, alpha=4.0, dropout=dropout), skip=(), seed=0)
    generator = torch.Generator().manual_seed(1)
    for _, layer in lora_layers(model):
        torch.nn.init.normal_(layer.lora_B, std=0.1, generator=generator)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    quicken_dropout(model)
    learner = Learner(model, rows, loss=EmbedLoss(partial(stream_vectors, pooling=MEAN)), pace=PACE)
    learner.cut = partial(cut_packed, tokens=micro)
    return learner


def rows_of(base: Base, count: int = 12) -> list[Worded]:
    return make_rows(load_wording(base.folder), "embed", count)


def gradient_of(learner: Learner, rows: Sequence[Worded], monkeypatch: pytest.MonkeyPatch) -> tuple[float, Tensor]:
    """Loss and gradient of one step of all rows."""
    kept: list[Tensor] = []

    def step(*, rate: float, clip: float) -> bool:
        kept.append(learner.optimizer.gradient_P.clone())
        return True

    monkeypatch.setattr(learner.optimizer, "step", step)
    learned = learner.learn(StepPlan(1, 1.0, tuple(range(len(rows)))), of=1, history=History())
    assert learned.loss is not None
    return learned.loss, kept[0]


def test_micro_batches_change_neither_loss_nor_gradient(make_base: MakeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(make_base("bert"))
    whole = gradient_of(make_learner(make_base, rows, dropout=0.0, micro=10_000), rows, monkeypatch)
    for micro in (1, 60, 200):
        loss, gradient = gradient_of(make_learner(make_base, rows, dropout=0.0, micro=micro), rows, monkeypatch)
        assert loss == pytest.approx(whole[0], rel=1e-6)
        assert float((gradient - whole[1]).norm() / whole[1].norm()) < 1e-5


def test_with_dropout_pieces_are_learnt_as_they_were_seen(make_base: MakeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(make_base("bert"))
    learner = make_learner(make_base, rows, dropout=0.3, micro=80)
    pieces = learner.cut(dict(enumerate(rows)))
    assert len(pieces) > 2
    torch.manual_seed(5)
    loss = learner.loss
    assert isinstance(loss, EmbedLoss)
    held = [[rows[place] for place in piece] for piece in pieces]
    # The whole step with all graphs at once, piece after piece with the same random numbers.
    vectors = torch.cat([loss._vectors(learner.model, piece) for piece in held])
    expected = row_nats(vectors, [row for piece in held for row in piece], scale=20.0).mean()
    expected.backward()
    slope, after = learner.optimizer.gradient_P.clone(), torch.get_rng_state()
    learner.optimizer.forget()
    torch.manual_seed(5)
    found, gradient = gradient_of(learner, rows, monkeypatch)
    assert found == pytest.approx(float(expected.detach()), rel=1e-6)
    assert float((gradient - slope).norm() / slope.norm()) < 1e-5
    assert torch.equal(torch.get_rng_state(), after)


def test_validation_compares_all_its_rows_whatever_the_micro_batch(make_base: MakeBase) -> None:
    rows = rows_of(make_base("bert"))
    whole, cut = (make_learner(make_base, rows, dropout=0.0, micro=micro).score(rows) for micro in (10_000, 50))
    assert cut == pytest.approx(whole, rel=1e-5)
    alone = make_learner(make_base, rows, dropout=0.0, micro=10_000).score(rows[:1])
    assert alone == pytest.approx([0.0], abs=1e-6)


@pytest.mark.parametrize("pooling", [MEAN, FIRST])
def test_a_stream_gives_the_vectors_of_padded_texts(make_base: MakeBase, pooling: Pooling) -> None:
    model = load_model(make_base("bert"), objective("embed"), dtype=torch.float32).model.eval()
    texts = [[5, 6, 7], [8], [9, 10, 11, 12, 13], [5, 6]]
    with torch.no_grad():
        padded = padded_vectors(model, texts, pooling=pooling, pad_id=2)
        assert torch.allclose(stream_vectors(model, texts, pooling=pooling), padded, atol=1e-6)
    assert bool(torch.allclose(padded.norm(dim=1), torch.ones(4))) is pooling.normalise


@pytest.mark.parametrize("method", ["lora", "full"])
def test_what_is_saved_gives_the_same_vectors_elsewhere(make_training: Callable[..., Training], method: str) -> None:
    settings: dict[str, Any] = {"adapter": {}} if method == "full" else {}
    training = make_training("embed", method=method, **settings)
    tuned = training.run("run")
    engine = load_engine(training.base, tuned=tuned)
    texts = [row.ids[: row.ends[0]] for row in rows_of(training.base, 5)]
    ours = torch.from_numpy(engine.embed(texts, adapter=True))
    base = torch.from_numpy(engine.embed(texts, adapter=False))
    assert float((ours - base).abs().max()) > 1e-3
    if method == "full":
        other: Any = AutoModel.from_pretrained(str(tuned.path))
    else:
        other = PeftModel.from_pretrained(AutoModel.from_pretrained(str(training.base.folder)), str(tuned.path))
    with torch.no_grad():
        for merged in (False, True):
            if merged and method == "lora":
                other = other.merge_and_unload()
            theirs = padded_vectors(other.eval(), texts, pooling=read_pooling(tuned.path), pad_id=2)
            assert float((ours - theirs).abs().max()) < 1e-4
    modules = json.loads((tuned.path / "modules.json").read_text())
    assert [module["type"].rpartition(".")[2] for module in modules] == ["Transformer", "Pooling", "Normalize"]


@pytest.mark.parametrize("pooling", [MEAN, FIRST])
def test_a_folder_says_how_it_makes_vectors(tmp_path: Path, pooling: Pooling) -> None:
    assert read_pooling(tmp_path) == MEAN
    save_pooling(tmp_path, pooling, width=8, context=64)
    assert read_pooling(tmp_path) == pooling
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": pooling.kind}))
    assert read_pooling(tmp_path) == pooling
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": ["mean", "max"]}))
    with pytest.raises(UserError, match=r"pools by .*max.* Choose another base"):
        read_pooling(tmp_path)
    names = json.loads((tmp_path / "modules.json").read_text())
    (tmp_path / "modules.json").write_text(json.dumps([*names, {"path": "3_Dense", "type": "models.Dense"}]))
    with pytest.raises(UserError, match=r"Dense.* Choose another base"):
        read_pooling(tmp_path)


def test_a_decoder_is_refused(make_base: MakeBase) -> None:
    with pytest.raises(UserError, match="needs an encoder"):
        load_model(make_base("llama"), objective("embed"), dtype=torch.float32)


def test_scored_rows_train(make_training: Callable[..., Training]) -> None:
    wording = load_wording(make_training("embed").base.folder)
    rows = [
        replace(texts_row(wording, place, f"thing {place}", f"object {place % 3}"), score=place % 3 / 2)
        for place in range(20)
    ]
    tuned = make_training("embed", rows={"train": rows, "validation": rows[:4]}).run("scored")
    losses = [json.loads(line)["loss"] for line in (tuned.path / "curve.jsonl").read_text().splitlines()[1:]]
    assert losses[-1] < losses[0]
