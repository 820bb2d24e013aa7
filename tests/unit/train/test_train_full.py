"""Every weight trained: the loop, the folder it leaves, and going on after a break."""

import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from trainings import LABELS, Training, content, make_rows
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification

from luthier.artifacts.folders import ModelDir
from luthier.errors import StoppedError, UserError
from luthier.models.bases import resolve_base
from luthier.models.chat import load_wording
from luthier.models.engines.engine import Sampling
from luthier.models.engines.hf import Engine, load_engine
from luthier.models.heads import mean_states
from luthier.records import Tick, Worded

Making = Callable[..., Training]
CASES = [("chat", "llama"), ("complete", "llama"), ("classify", "bert"), ("classify", "llama")]
FULL: dict[str, Any] = {"method": "full", "adapter": {}, "scale": 1.0, "learning_rate": 0.003}


def loaded(training: Training, model: ModelDir) -> tuple[Engine, list[Worded]]:
    """The engine over a tuned model, and rows of its validation set."""
    wording = load_wording(training.base.folder)
    return load_engine(training.base, tuned=model, threads=1), make_rows(
        wording, str(model.manifest.facts["objective"]), 8, first=100
    )


@pytest.mark.parametrize(("objective", "kind"), CASES)
def test_it_learns_and_what_was_validated_is_served(make_training: Making, objective: str, kind: str) -> None:
    training = make_training(objective, kind=kind, **FULL)
    model = training.run("run")
    assert (model.manifest.facts["method"], "rank" in model.manifest.facts["choices"]) == ("full", False)
    engine, rows = loaded(training, model)
    if objective == "classify":
        chances = engine.classify([row.ids for row in rows])
        served = float(-np.log([chances[place, row.labels[0]] for place, row in enumerate(rows)]).mean())
    else:
        units = sum(sum(row.trained) for row in rows)
        served = sum(engine.nats(rows, adapter=True)) / units
        before = sum(engine.nats(rows, adapter=False)) / units
        assert before == sum(load_engine(training.base, tuned=None, threads=1).nats(rows, adapter=False)) / units
        assert served < before - 0.5
    assert served == pytest.approx(model.manifest.facts["best_validation_loss"], rel=1e-5)


@pytest.mark.parametrize(("objective", "kind"), CASES)
def test_plain_transformers_loads_the_folder(make_training: Making, objective: str, kind: str) -> None:
    training = make_training(objective, kind=kind, epochs=0.5, **FULL)
    model = training.run("run")
    engine, rows = loaded(training, model)
    names = {"bert": AutoModel, "llama": AutoModelForSequenceClassification}
    plain = (names[kind] if objective == "classify" else AutoModelForCausalLM).from_pretrained(model.path).eval()
    for row in rows:
        ids = torch.tensor([row.ids])
        with torch.no_grad():
            output = plain(input_ids=ids)
        if objective != "classify":
            logits = output.logits
        elif kind == "llama":
            logits = output.logits
            assert plain.config.id2label == dict(enumerate(LABELS))
        else:
            head = load_file(model.path / "classifier.safetensors")
            pooled = mean_states(output.last_hidden_state, torch.ones_like(ids))
            logits = pooled @ head["classifier.weight"].t() + head["classifier.bias"]
        found = engine.arms[True](input_ids=ids).logits.detach()
        assert float((found - logits).abs().max()) <= 1e-6


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("objective", ["chat", "classify"])
def test_a_broken_run_ends_as_an_unbroken_one_bit_for_bit(make_training: Making, objective: str, dtype: str) -> None:
    training = make_training(objective, **{**FULL, "dtype": dtype, "scale": "auto"}, epochs=1.0)
    whole = training.run("whole")
    assert whole.manifest.counts["steps"] >= 3
    for step in (1, 2):
        with pytest.raises(StoppedError):
            training.run("broken", listener=stopping(step))
    assert content(training.run("broken")) == content(whole)


def stopping(at: int) -> Callable[[Tick], None]:
    def listen(tick: Tick) -> None:
        if tick.stage == "train" and tick.total and tick.done == at:
            signal.raise_signal(signal.SIGTERM)

    return listen


def test_bfloat16_weights_ship_as_they_were_validated(make_training: Making) -> None:
    training = make_training("chat", **{**FULL, "dtype": "bfloat16"}, epochs=1.0)
    model = training.run("run")
    shipped = load_file(model.path / "model.safetensors")
    masters = training.store("run").at(model.manifest.counts["best_step"])
    assert masters is not None
    for name, value in shipped.items():
        assert value.dtype == torch.bfloat16
        assert torch.equal(value, masters.tensors[f"weight.{name}"].bfloat16())
    assert any(not torch.equal(masters.tensors[f"weight.{name}"], value.float()) for name, value in shipped.items())


@pytest.mark.parametrize(("objective", "kind"), CASES)
def test_a_factor_ships_weights_between_base_and_tuned(make_training: Making, objective: str, kind: str) -> None:
    models = {
        factor: make_training(objective, kind=kind, **{**FULL, "scale": factor}, epochs=0.5).run(f"run-{factor}")
        for factor in (1.0, 0.25, 0.0)
    }
    ends = {factor: load_file(model.path / "model.safetensors") for factor, model in models.items()}
    learnt = models[1.0].manifest.counts["best_step"] > 0  # on so few rows the untrained model may be the best
    for name, tuned in ends[1.0].items():
        if name.startswith("score."):  # a new head has no base
            assert torch.equal(ends[0.25][name], tuned)
            continue
        assert not learnt or not torch.equal(tuned, ends[0.0][name]) or "embeddings" in name
        assert torch.allclose(ends[0.25][name], 0.75 * ends[0.0][name] + 0.25 * tuned, atol=1e-7)


def test_the_factor_is_chosen_by_general_text(make_training: Making) -> None:
    training = make_training("chat", **{**FULL, "scale": "auto", "learning_rate": 0.02, "replay": 0.001})
    facts = training.run("run").manifest.facts
    tried = facts["scale"]["tried"]
    assert [each["factor"] for each in tried] == [1.0, 0.75, 0.5, 0.25][: len(tried)]
    assert len({each["mean_log_ratio"] for each in tried}) == len(tried) > 1


def test_a_tuned_folder_is_a_base_again(make_training: Making) -> None:
    training = make_training("chat", **FULL, epochs=0.5)
    model = training.run("run")
    base = resolve_base(str(model.path), relative_to=training.home)
    engine, rows = loaded(training, model)
    again = load_engine(base, tuned=None, threads=1)
    assert again.nats(rows, adapter=False) == engine.nats(rows, adapter=True)


def test_answers_of_base_and_tuned_may_interleave(make_training: Making) -> None:
    training = make_training("chat", **FULL)
    engine, rows = loaded(training, training.run("run"))
    prompt = rows[0].ids[:12]
    alone = {arm: list(engine.stream(prompt, adapter=arm, sampling=Sampling(10))) for arm in (True, False)}
    streams = {arm: engine.stream(prompt, adapter=arm, sampling=Sampling(10)) for arm in (True, False)}
    mixed: dict[bool, list[int]] = {True: [], False: []}
    for arm in (True, False, False, True) * 5:
        mixed[arm] += [token for token in [next(streams[arm], None)] if token is not None]
    assert mixed == alone


def test_a_damaged_classifier_is_named(make_training: Making) -> None:
    training = make_training("classify", **FULL, epochs=0.5)
    model = training.run("run")
    (model.path / "classifier.safetensors").write_bytes(b"junk")
    with pytest.raises(UserError, match="its classifier cannot be read"):
        load_engine(training.base, tuned=model, threads=1)
