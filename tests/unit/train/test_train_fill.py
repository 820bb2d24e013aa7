"""Filling in hidden words: loss and gradient against plain `transformers`, resuming, and what comes of it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from test_train_oracles import agree, ours, ready
from test_train_resume import BrokenError, breaking
from trainings import Training, content, make_rows
from transformers import AutoModelForMaskedLM

from luthier.artifacts.folders import DatasetDir
from luthier.errors import UserError
from luthier.evaluate.tasks import fill
from luthier.models.adapters import PREFIX
from luthier.models.bases import resolve_base
from luthier.models.chat import load_wording
from luthier.models.engines.hf import load_engine
from luthier.models.forward import pad_rows
from luthier.models.masked import padded_hidden
from luthier.records import Item, Worded, nobody_listens
from luthier.train.batches import cut_by_length
from luthier.train.losses.fill import FillLoss

Making = Callable[..., Training]


def theirs(folder: Path, rows: list[Worded], pad_id: int) -> Any:
    """Mean loss and gradients of the masked language model of `transformers` on the same masks."""
    model = AutoModelForMaskedLM.from_pretrained(folder, attn_implementation="eager").eval()
    ids, mask = pad_rows([row.ids for row in rows], pad_id=pad_id)
    targets = torch.full_like(ids, -100)
    for place, row in enumerate(rows):
        targets[place, : len(row.ids)][torch.tensor(row.trained)] = torch.tensor(row.labels)
    loss = model(input_ids=ids, attention_mask=mask, labels=targets).loss
    loss.backward()
    return float(loss.detach()), {
        name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None
    }


@pytest.mark.parametrize("kind", ["pieces", "headless"])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_loss_and_gradient_are_those_of_transformers_on_the_same_masks(
    make_training: Making, tmp_path: Path, kind: str, method: str
) -> None:
    training = make_training("fill", kind=kind)
    wording = load_wording(training.base.folder)
    adapter = {"rank": 2, "dropout": 0.0} if method == "lora" else {}
    setup = ready(training, method=method, adapter=adapter)
    rows = [setup.learner.dress(row, 1) for row in make_rows(wording, "fill", 9)]
    tuned = tmp_path / "tuned"
    tuned.mkdir()
    setup.method.save(tuned)
    expected = theirs(tuned, rows, wording.pad_id)
    if method == "lora":  # theirs has no adapters, because ours are merged; what is new is trained whole
        expected = expected[0], {name: slope for name, slope in expected[1].items() if name.startswith("cls.")}
    cuts = [setup.learner.cut, *(partial(cut_by_length, tokens=tokens) for tokens in (10_000, 1))]
    for loss in (setup.learner.loss, FillLoss(partial(padded_hidden, pad_id=wording.pad_id))):
        setup.learner.loss = loss
        for cut in cuts:
            setup.learner.cut = cut
            mean, slopes = ours(setup, rows)
            whole = {name.removeprefix(PREFIX): slope for name, slope in slopes.items() if "lora_" not in name}
            if kind == "pieces" and method == "lora":  # what the base can do is frozen
                assert mean == pytest.approx(expected[0], rel=1e-5)
                assert not whole
            else:
                agree((mean, whole), expected)


def test_a_broken_run_fills_in_as_an_unbroken_one_bit_for_bit(make_training: Making) -> None:
    training = make_training("fill", batch_tokens=120)
    whole = training.run("whole")
    steps = whole.manifest.counts["steps"]
    for at in (2, steps // 2):
        with pytest.raises(BrokenError):
            training.run(f"broken-{at}", listener=breaking(at))
        assert content(training.run(f"broken-{at}")) == content(whole)
    assert whole.manifest.facts["reasons"]["mask_share"].startswith("30% of the tokens, in whole words: ")
    assert "head" not in whole.manifest.facts["reasons"]


def test_how_a_step_is_cut_does_not_change_what_is_hidden(make_training: Making) -> None:
    training = make_training("fill")
    setup, rows = ready(training), make_rows(load_wording(training.base.folder), "fill", 6)
    once = [setup.learner.dress(row, 4) for row in rows]
    assert [setup.learner.dress(row, 4) for row in reversed(rows)] == once[::-1]
    assert setup.learner.loss.units(once) == sum(len(row.labels) for row in once)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_what_learnt_to_fill_in_is_a_base_for_others(make_training: Making, tmp_path: Path, method: str) -> None:
    """It loads as a masked model and as an encoder, and a classifier is trained on it."""
    settings = {"method": method} | ({"adapter": {}} if method == "full" else {})
    model = make_training("fill", kind="headless", **settings).run("filled")
    assert "started anew" in model.manifest.facts["reasons"]["head"]
    _, report = AutoModelForMaskedLM.from_pretrained(model.path, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    base = resolve_base(str(model.path.relative_to(tmp_path)), relative_to=tmp_path)
    assert base.architecture == "encoder"
    training = make_training("classify", kind="pieces")
    Training(tmp_path, base, training.dataset, epochs=1.0).run("classified")


def test_hidden_words_of_an_exam_are_scored_for_base_and_tuned(make_training: Making) -> None:
    training = make_training("fill", epochs=4.0)
    model = training.run("filled")
    engine = load_engine(training.base, tuned=model, threads=1)
    items = [Item(str(place), f"g{place}", "fill", (), (f"is {place} odd odd odd yes",), "a:1") for place in range(8)]
    rows = fill.hide(items, engine.wording, seed=0)
    base, tuned = (
        fill.score(rows, engine.fill_nats(rows, adapter=arm, listener=nobody_listens)) for arm in (False, True)
    )
    assert sum(tuned.scores["bits_per_token"]) < sum(base.scores["bits_per_token"])
    alone = AutoModelForMaskedLM.from_pretrained(model.path).eval()
    logits = alone(input_ids=torch.tensor([rows[0].ids])).logits[0][torch.tensor(rows[0].trained)]
    nats = torch.nn.functional.cross_entropy(logits, torch.tensor(rows[0].labels))
    assert tuned.scores["bits_per_token"][0] == pytest.approx(float(nats.detach()) / 0.6931471805599453, rel=1e-5)
    size = engine.wording.tokenizer.get_vocab_size()
    often = fill.frequency_nats(rows, DatasetDir.open(training.dataset.path), size=size)
    assert 0 < sum(often) < sum(len(row.labels) for row in rows) * 5.3


def test_a_decoder_is_refused(make_training: Making) -> None:
    training = make_training("fill")
    decoder = make_training("chat", kind="llama").base
    with pytest.raises(UserError, match="needs an encoder"):
        ready(Training(training.home, decoder, training.dataset))
