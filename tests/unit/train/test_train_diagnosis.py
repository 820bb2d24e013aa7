"""What curves of every kind are said to show, and the drills on a small real model."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from trainings import Training, label_row

from luthier.models.chat import load_wording
from luthier.records import Tick, Worded
from luthier.train.diagnosis import Circumstances, diagnose, guessing, in_words

Making = Callable[..., Training]
PLENTY = Circumstances(rows=5000)


def curve(train: Callable[[float], float], held_out: Callable[[float], float], *, steps: int = 100) -> list[dict]:
    """Losses as functions of how much of the run is done, with some noise, held out every 5 steps."""
    random = np.random.default_rng(0)
    points: list[dict[str, Any]] = [{"step": 0, "validation_loss": held_out(0.0)}]
    for step in range(1, steps + 1):
        done = step / steps
        points.append({"step": step, "loss": train(done) * float(random.normal(1, 0.05))})
        if step % 5 == 0:
            points[-1]["validation_loss"] = held_out(done)
    return points


def falling(start: float, end: float, *, speed: float = 6.0) -> Callable[[float], float]:
    return lambda done: end + (start - end) * math.exp(-speed * done)


def kinds(points: list[dict], about: Circumstances) -> set[str]:
    findings = diagnose(points, about)
    assert all(finding.words and finding.numbers for finding in findings)
    assert in_words(findings).count(": ") >= len(findings)
    return {finding.kind for finding in findings}


def test_a_run_that_learns_what_holds_elsewhere_is_healthy() -> None:
    assert kinds(curve(falling(2.0, 0.5), falling(2.1, 0.6)), PLENTY) == {"healthy"}


def test_held_out_loss_that_rises_while_training_loss_falls_is_over_fit() -> None:
    points = curve(falling(2.0, 0.1), lambda done: 1.0 + 4 * (done - 0.4) ** 2)
    assert kinds(points, PLENTY) == {"over-fit"}
    assert kinds(points, Circumstances(rows=60)) == {"over-fit", "too few data"}
    finding = diagnose(points, PLENTY)[0]
    assert "step 40" in finding.words
    assert finding.numbers["best_step"] == 40
    assert kinds(points[:80], Circumstances(rows=5000, ended=False)) == {"over-fit"}


def test_a_rise_that_is_small_or_comes_without_reciting_is_nothing() -> None:
    assert kinds(curve(falling(2.0, 0.5), lambda done: 1.0 + 0.02 * done if done else 2.0), PLENTY) == {"healthy"}
    assert "over-fit" not in kinds(curve(lambda _: 2.0, lambda done: 2.0 + 0.3 * done), PLENTY)


def test_losses_that_rise_speak_of_the_rate() -> None:
    up = curve(lambda done: 2.0 + 2 * math.sin(math.pi * done), lambda done: 2.0 + 2 * done)
    assert "learning rate too high" in kinds(up, PLENTY)
    assert kinds(up[:60], Circumstances(rows=5000, ended=False)) == {"learning rate too high"}
    assert "learning rate too high" in kinds(curve(lambda _: 2.0, lambda done: 2.0 + done), PLENTY)
    healthy = curve(falling(2.0, 0.5), falling(2.1, 0.6))
    assert kinds(healthy, Circumstances(rows=5000, went_back_at=7)) == {"learning rate too high"}


def test_a_run_that_learns_nothing_or_ends_too_early_is_under_fit() -> None:
    assert kinds(curve(lambda _: 2.0, lambda _: 2.0), PLENTY) == {"under-fit"}
    assert kinds(curve(falling(2.0, 1.0, speed=1), falling(2.1, 1.1, speed=1)), PLENTY) == {"under-fit"}
    assert diagnose(curve(lambda _: 2.0, lambda _: 2.0), Circumstances(rows=5000, ended=False)) == ()


def test_rows_that_are_known_by_heart_while_others_are_guessed_have_noisy_labels() -> None:
    points = curve(falling(1.4, 0.2), lambda done: 1.39 + 0.2 * done)
    assert "labels noisy" in kinds(points, Circumstances(rows=5000, guess=1.386))
    assert "labels noisy" not in kinds(points, PLENTY)
    healthy = curve(falling(2.0, 0.5), falling(2.1, 0.6))
    assert kinds(healthy, Circumstances(rows=5000, suspects=200, examined=1000)) == {"labels noisy"}
    assert kinds(healthy, Circumstances(rows=5000, suspects=50, examined=1000)) == {"healthy"}
    guesses = curve(falling(1.4, 1.38), lambda _: 1.386)
    assert kinds(guesses, Circumstances(rows=5000, guess=1.386)) == {"under-fit"}
    assert kinds(guesses, Circumstances(rows=5000, guess=1.386, suspects=700, examined=1000)) == {"labels noisy"}


def test_without_validation_it_is_said_that_nothing_can_be_said() -> None:
    points = [point for point in curve(falling(2.0, 0.5), falling(2.0, 0.5)) if point["step"]]
    for point in points:
        point.pop("validation_loss", None)
    assert [finding.kind for finding in diagnose(points, PLENTY)] == ["not validated"]
    assert [finding.kind for finding in diagnose(points, Circumstances(rows=5000, copied=9))] == ["validation copied"]
    assert diagnose([], PLENTY) == ()


def test_guessing_costs_the_entropy_of_the_answers(make_training: Making) -> None:
    wording = load_wording(make_training("classify").base.folder)
    rows = [label_row(wording, place, "x", int(place % 4 == 0)) for place in range(4000)]
    expected = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert guessing(rows, rows[:1000], units=1000) == pytest.approx(expected, rel=0.01)
    different = [Worded(f"{place}", "g", "a", (1, place), (False, True)) for place in range(50)]
    assert guessing(different, different, units=50) is None
    assert guessing([Worded("p", "g", "a", (1, 2), (False, True), ends=(1, 2))] * 9, rows, units=9) is None


def drill(make_training: Making, train: list[Worded], validation: list[Worded], **settings: Any) -> Training:
    rows = {"train": train, "validation": validation}
    usual = {"epochs": 30.0, "learning_rate": 0.01, "adapter": {"rank": 8}, "patience": 1000, "batch_tokens": 800}
    usual["checkpoint_minutes"] = 60.0
    return make_training("classify", rows=rows, **{**usual, **settings})


def words_of(place: int) -> str:
    return "".join(chr(97 + int(letter)) for letter in np.random.default_rng(place).integers(0, 26, size=12))


def found_in(training: Training, name: str = "run") -> set[str]:
    return {finding["kind"] for finding in training.run(name).manifest.facts["diagnosis"]}


def test_random_labels_are_recited_and_called_noisy(make_training: Making) -> None:
    wording = load_wording(make_training("classify").base.folder)
    labels = np.random.default_rng(7).permutation([0, 1] * 45)
    rows = [label_row(wording, place, words_of(place), int(label)) for place, label in enumerate(labels)]
    training = drill(make_training, rows[:60], rows[60:])
    told: list[Tick] = []
    found = {finding["kind"] for finding in training.run("run", listener=told.append).manifest.facts["diagnosis"]}
    assert found >= {"over-fit", "labels noisy", "too few data"}
    assert sum("over-fit: held-out loss rose" in tick.note for tick in told) >= 2  # while it ran, and at the end


def test_validation_rows_that_are_trained_on_are_left_out(make_training: Making) -> None:
    wording = load_wording(make_training("classify").base.folder)
    rows = [label_row(wording, place, words_of(place), place % 2) for place in range(40)]
    copies = [label_row(wording, place, words_of(place - 100), place % 2) for place in range(100, 140)]
    training = drill(make_training, rows, copies, epochs=2.0)
    model = training.run("run")
    assert (model.manifest.counts["validation_rows"], model.manifest.counts["validation_rows_copied"]) == (0, 40)
    assert found_in(training) == {"validation copied"}
    half = drill(
        make_training,
        rows,
        [*copies[:20], *(label_row(wording, 200 + n, f"new {n}", 1) for n in range(20))],
        epochs=3.0,
    )
    counts = half.run("half").manifest.counts
    assert counts["validation_rows_copied"] == 20
    assert 16 <= counts["validation_rows"] <= 20


def test_the_curve_is_there_while_the_run_goes_on(make_training: Making) -> None:
    training = make_training("chat", epochs=0.5)
    seen: list[int] = []

    def look(tick: Tick) -> None:
        if tick.stage == "train" and tick.total:
            lines = (training.scratch("run") / "curve.jsonl").read_bytes().splitlines()
            seen.append(json.loads(lines[-1])["step"])

    model = training.run("run", listener=look)
    assert seen == list(range(1, model.manifest.counts["steps"] + 1))
    live = (training.scratch("run") / "curve.jsonl").read_bytes()
    assert live == model.file("curve.jsonl").read_bytes()
