"""The whole stage: what was validated is what is served, and what the folder says about it."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from safetensors.torch import load_file
from trainings import LABELS, Training, content, label_row, make_rows, trained_name

from luthier.errors import UserError
from luthier.models.chat import load_wording
from luthier.models.engines.hf import load_engine
from luthier.records import Tick, Worded

Making = Callable[..., Training]
CASES = [("chat", "llama"), ("complete", "llama"), ("classify", "bert"), ("classify", "llama")]


def served_loss(training: Training, rows: list[Worded], objective: str, name: str = "run") -> float:
    """Nats per unit of these rows through the engine that serves."""
    engine = load_engine(training.base, tuned=training.run(name), threads=1)
    if objective != "classify":
        return sum(engine.nats(rows, adapter=True)) / sum(sum(row.trained) for row in rows)
    chances = engine.classify([row.ids for row in rows])
    return float(-np.log([chances[place, row.labels[0]] for place, row in enumerate(rows)]).mean())


@pytest.mark.parametrize(("objective", "kind"), CASES)
def test_what_was_validated_is_what_is_served(make_training: Making, objective: str, kind: str) -> None:
    training = make_training(objective, kind=kind, seed=7, scale=1.0)
    model = training.run("run")
    rows = make_rows(load_wording(training.base.folder), objective, 8, first=100)
    assert served_loss(training, rows, objective) == pytest.approx(
        model.manifest.facts["best_validation_loss"], rel=1e-5
    )


@pytest.mark.parametrize(("objective", "kind"), CASES)
def test_training_learns(make_training: Making, objective: str, kind: str) -> None:
    """Texts that tell their label are learnt to well below a coin's log 2; what the frozen head of the tiny decoder
    allows is 4.9 of log 259 = 5.6 nats a token.
    """
    wording = load_wording(make_training(objective, kind=kind).base.folder)
    rows = make_rows(wording, objective, 24)
    if objective == "classify":
        rows = [label_row(wording, place, f"{LABELS[place % 2]} " * (1 + place % 3), place % 2) for place in range(24)]
    settings = {"epochs": 12.0 if objective == "classify" else 6.0, "adapter": {"rank": 4}, "replay": 0.0}
    training = make_training(objective, kind=kind, rows={"train": rows, "validation": rows[:8]}, **settings)
    assert served_loss(training, rows, objective) < {"classify": 0.35, "chat": 5.0, "complete": 5.3}[objective]


def test_a_finished_model_is_not_trained_again(make_training: Making) -> None:
    training = make_training("classify", epochs=0.5)
    first = training.run("run")
    ticks: list[Tick] = []
    assert training.run("run", listener=ticks.append) == first
    assert ticks == []


@pytest.mark.parametrize("name", ["validation", "general"])
def test_without_rows_to_choose_by_the_last_step_ships(make_training: Making, name: str) -> None:
    training = make_training("chat", rows={name: []}, epochs=0.5)
    model = training.run("run")
    facts = model.manifest.facts
    if name == "validation":
        assert facts["best_validation_loss"] is None
        assert "no validation rows" in facts["story"]
        last = training.newest("run").tensors
        shipped = load_file(model.path / "adapter_model.safetensors")
        assert all(bool((last[trained_name(tensor)] == value).all()) for tensor, value in shipped.items())
    else:
        assert facts["scale"]["factor"] == 1.0


def test_a_set_scale_ships_as_alpha(make_training: Making) -> None:
    training = make_training("chat", scale=0.5, epochs=0.5, adapter={"rank": 2, "alpha": 8.0})
    settings = json.loads((training.run("run").path / "adapter_config.json").read_text())
    assert (settings["r"], settings["lora_alpha"]) == (2, 4.0)


def test_the_folder_tells_how_it_came_about(make_training: Making) -> None:
    training = make_training("chat", epochs=0.5)
    model = training.run("run")
    manifest = model.manifest
    assert manifest.inputs == {"dataset": training.dataset.digest, "base": training.base.digest}
    assert manifest.counts["rows"] == 24
    assert manifest.counts["steps"] == len((model.path / "curve.jsonl").read_text().splitlines()) - 1
    assert all(choice["reason"] for choice in manifest.facts["choices"].values())
    assert set(manifest.facts["reasons"]) == {"dtype", "forward"}
    assert "notes/speed.json" not in content(model)
    assert (model.path / "notes" / "speed.json").is_file()


def test_a_dataset_for_another_template_or_with_changed_bytes_is_refused(make_training: Making) -> None:
    training = make_training("chat")
    (training.base.folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    with pytest.raises(UserError, match="R9"):
        training.run("run")
    training = make_training("chat")
    (training.dataset.path / "train.parquet").write_bytes(b"junk")
    with pytest.raises(UserError, match="changed since it was written"):
        training.run("run")
