"""The searched rate, seeds, and what is chosen on validation at the end."""

import json
import math
from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from safetensors.torch import load_file
from trainings import LABELS, Training, content, label_row, make_rows, trained_name

from luthier.artifacts.rows import SHIPPED, read_worded
from luthier.artifacts.tables import read_table
from luthier.errors import UserError
from luthier.models.chat import load_wording
from luthier.models.engines.hf import load_engine
from luthier.models.forward import padded_states
from luthier.records import Tick, Worded
from luthier.train import scale as scales
from luthier.train.batches import plan_steps
from luthier.train.losses.chat import ChatLoss
from luthier.train.repeat import spread
from luthier.train.stopping import History
from luthier.train.validation import HeldOut, Validation, validation_steps

Making = Callable[..., Training]


class BrokenError(Exception):
    """Something that goes wrong in the middle."""


def telling(make_training: Making) -> dict[str, list[Worded]]:
    """Texts that tell their label."""
    wording = load_wording(make_training("classify").base.folder)
    texts = [f"{LABELS[place % 2]} " * (1 + place % 3) + str(place) for place in range(60)]
    rows = [label_row(wording, place, text, place % 2) for place, text in enumerate(texts)]
    return {"train": rows[:44], "validation": rows[44:]}


def test_a_rate_is_searched_once_and_again_after_a_kill_to_the_same_bits(make_training: Making) -> None:
    settings = {"learning_rate": "search", "epochs": 5.0, "checkpoint_minutes": 60.0}
    training = make_training("classify", rows=telling(make_training), **settings)
    whole = training.run("whole")
    choice = whole.manifest.facts["choices"]["learning_rate"]
    tried = [line for line in choice["reason"].split("; ")]
    assert [part.count("->") for part in tried] == [5, 2]
    assert f"{choice['value']:g} ->" in tried[1]

    def stop_at(place: int) -> Callable[[Tick], None]:
        def listen(tick: Tick) -> None:
            if tick.stage == "train: learning rate" and tick.done == place:
                raise BrokenError

        return listen

    for place in (3, 1):  # in the first rung, then in the second
        with pytest.raises(BrokenError):
            training.run("broken", listener=stop_at(place))
    kept = {path.name: path.stat().st_mtime_ns for path in training.scratch("broken").glob("rate-*.json")}
    assert len(kept) >= 3
    again = training.run("broken")
    assert {name: (training.scratch("broken") / name).stat().st_mtime_ns for name in kept} == kept
    assert content(again) == content(whole)
    plain = make_training("classify", rows=telling(make_training), **{**settings, "learning_rate": choice["value"]})
    assert content(plain.run("plain")) == content(whole)


def test_a_rate_cannot_be_searched_without_validation(make_training: Making) -> None:
    with pytest.raises(UserError, match="search needs validation rows"):
        make_training("classify", rows={"validation": []}, learning_rate="search").run("run")


def test_seeds_are_trained_one_by_one_and_the_best_ships(make_training: Making) -> None:
    training = make_training("classify", rows=telling(make_training), epochs=2.0, seeds=3, seed=4)
    told: list[Tick] = []

    def stop(tick: Tick) -> None:
        if tick.note.startswith("seed 6"):
            raise BrokenError

    with pytest.raises(BrokenError):
        training.run("run", listener=stop)
    model = training.run("run", listener=told.append)
    assert [tick.note for tick in told if tick.note.startswith("seed ")] == ["seed 6, 3 of 3"]
    seeds = model.manifest.facts["seeds"]
    assert set(seeds["losses"]) == {"4", "5", "6"}
    assert seeds["losses"][str(seeds["shipped"])] == min(seeds["losses"].values())
    alone = make_training("classify", rows=telling(make_training), epochs=2.0, seed=seeds["shipped"])
    assert content(alone.run("alone")) == content(model)


def test_the_spread_of_seeds_in_words() -> None:
    found = spread({0: 0.5, 1: 0.4, 2: 0.6})
    assert (found["shipped"], found["mean"], found["deviation"]) == (1, pytest.approx(0.5), pytest.approx(0.1))
    assert "seed 1 ships" in found["words"]
    assert spread({3: None, 4: None})["shipped"] == 3


def test_validation_comes_twenty_times_and_the_rows_it_reads_are_bounded(make_training: Making) -> None:
    wording = load_wording(make_training("classify").base.folder)
    rows = make_rows(wording, "classify", 200)
    few, many = (plan_steps([50] * count, epochs=1.0, batch_tokens=50, seed=0) for count in (10, 1000))
    assert len(validation_steps(few)) == 10
    assert len(validation_steps(many)) == 20
    assert len(validation_steps(plan_steps([50] * 100, epochs=9.0, batch_tokens=50, seed=0))) == 36
    held_out = HeldOut(rows[:160])
    assert len(held_out.sample(many, tokens=50_000).rows) in range(48, 160)
    assert len(held_out.sample(many, tokens=5_000_000).rows) == 160
    assert len(held_out.sample(many, tokens=100).rows) == 48


def test_a_rise_counts_only_beyond_its_error_over_groups(make_training: Making) -> None:
    wording = load_wording(make_training("classify").base.folder)
    rows = make_rows(wording, "classify", 8)
    validation = Validation(rows)
    flat = [1.0] * 8
    assert validation.is_worse([1.1] * 8, flat)
    assert not validation.is_worse([1.5, 0.6] * 4, flat)
    assert not validation.is_worse(flat, flat)
    one = Validation([Worded(row.id, "same", row.at, row.ids, row.trained, row.labels) for row in rows])
    assert one.is_worse([1.5, 0.6] * 4, flat)


def test_the_mean_of_the_last_steps_ships_if_validation_likes_it_better(make_training: Making) -> None:
    for rate in (0.002, 0.3):
        training = make_training("chat", epochs=2.0, learning_rate=rate, replay=0.0, scale=1.0)
        model = training.run(f"rate-{rate}")
        counts, events = model.manifest.counts, {one["what"]: one["step"] for one in model.manifest.facts["events"]}
        curve = [json.loads(line) for line in (model.path / "curve.jsonl").read_text().splitlines()]
        losses = {point["step"]: point["validation_loss"] for point in curve if "validation_loss" in point}
        shipped = load_file(model.path / "adapter_model.safetensors")
        store = training.store(f"rate-{rate}")
        averaged = "mean of" in model.manifest.facts["story"]
        steps = sorted(losses)[-3:] if averaged else [counts["best_step"]]
        parts = [store.weights(step) for step in steps]
        assert None not in parts
        for name, value in shipped.items():
            mean = sum(part[trained_name(name)] for part in parts) / len(parts)
            assert torch.equal(mean, value)
        best = model.manifest.facts["best_validation_loss"]
        assert best < min(losses.values()) if averaged else best == losses[counts["best_step"]]
        assert losses[events["best held out"]] == min(losses.values())


def test_the_last_step_ships_unless_it_is_clearly_worse_than_the_best() -> None:
    history = History()
    for step, (loss, is_worse) in enumerate([(3.0, False), (1.0, False), (1.1, True), (1.05, False)]):
        history.step = step
        history.note_validation(loss, [loss], is_worse=is_worse, patience=3)
        history.curve.append({"step": step, "validation_loss": loss})
        if step == 2:
            clear = deepcopy(history)
            clear.prefer_last()
            assert (clear.best_step, clear.best_loss, clear.lowest) == (1, 1.0, None)
    history.prefer_last()
    assert (history.best_step, history.best_loss, history.lowest) == (3, 1.05, 1)
    assert "step 1 was lowest on validation, but step 3 is as good" in history.in_words()


@pytest.mark.parametrize("objective", ["chat", "classify", "complete"])
def test_a_model_that_is_not_its_best_checkpoint_says_how_both_do_on_validation(
    make_training: Making, objective: str
) -> None:
    rows = {"rows": telling(make_training)} if objective == "classify" else {}
    best, other = (
        make_training(objective, epochs=3.0, replay=0.0, scale=scale, **rows).run(f"{objective}-{scale}")
        for scale in (1.0, 300.0)
    )
    assert best.manifest.facts["ships_best"] == (SHIPPED not in best.manifest.files)
    assert other.manifest.facts["ships_best"] is False
    lines = read_table(other.file(SHIPPED))
    assert len(lines) == other.manifest.counts["validation_rows"]
    sums = {side: sum(row[f"{side}_nats"] for row in lines) for side in ("best", "shipped")}
    assert sums["shipped"] > sums["best"]
    told = {row[f"{side}_right"] for row in lines for side in sums}
    assert told <= ({None} if objective == "complete" else {0.0, 1.0})
    # What is measured in between leaves no trace: only how the adapter is scaled differs.
    pairs = [load_file(model.path / "adapter_model.safetensors") for model in (best, other)]
    assert all(torch.equal(pairs[0][name], pairs[1][name]) for name in pairs[0])


def test_right_answers_are_those_that_greedy_decoding_writes(make_training: Making) -> None:
    training = make_training("chat", epochs=30.0, replay=0.0, scale=1.0)
    model = training.run("run")
    engine = load_engine(training.base, tuned=model)
    rows = read_worded(training.dataset.file("validation.parquet"))
    starts = [row.trained.index(True) for row in rows]
    prompts = [row.ids[:start] for row, start in zip(rows, starts, strict=True)]
    written = engine.generate(prompts, adapter=True, max_tokens=20)
    golds = [
        engine.wording.decode([token for token in row.ids[start:] if token not in engine.wording.end_ids])
        for row, start in zip(rows, starts, strict=True)
    ]
    found = ChatLoss(padded_states).right(engine.arm(True), rows)
    assert found == [float(answer.text == gold and answer.ended) for answer, gold in zip(written, golds, strict=True)]
    assert sum(found) > 0


def test_a_smaller_scale_ships_where_all_of_it_is_clearly_worse(make_training: Making) -> None:
    training = make_training("chat", epochs=1.0, replay=0.0)
    tried = training.run("run").manifest.facts["scale"]["tried"]
    assert [one["factor"] for one in tried] == list(scales.FACTORS)
    assert all(math.isfinite(one["validation_loss"]) for one in tried)
