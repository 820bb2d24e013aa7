"""How the model learnt: its curve, what happened on the way, and what that shows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from luthier.artifacts.folders import ModelDir
from luthier.evaluate.report import plots
from luthier.evaluate.report.parts import Figure, Section
from luthier.evaluate.report.plots import Mark

NATS = "How surprising the right answers were while learning (loss in nats; lower is better)"
MISSED = "By how much the rewards of the model's own answers fell short of the best (lower is better)"
LINES = (("Training", "base", "loss"), ("Held out", "tuned", "validation_loss"))


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a model's folder tells of its training; empty if it tells nothing."""

    curve: Sequence[Mapping[str, Any]] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def read_learnt(model: ModelDir) -> Learnt:
    """Read the curve and what was made of it."""
    if "curve.jsonl" not in model.manifest.files:
        return Learnt()
    lines = model.file("curve.jsonl").read_text(encoding="utf-8").splitlines()
    return Learnt([json.loads(line) for line in lines if line.strip()], model.manifest.facts)


def training(learnt: Learnt) -> Section | None:
    """Loss by step in training and validation (nats per answer token or per text, or reward missed), and diagnosis."""
    lines = []
    for label, kind, key in LINES:
        points = [(float(row["step"]), float(row[key])) for row in learnt.curve if row.get(key) is not None]
        if len(points) > 1:
            lines.append((label, kind, points))
    if not lines:
        return None
    meaning = (
        f"{MISSED if any('reward' in row for row in learnt.curve) else NATS}, on training rows and on "
        "rows of groups that were held out. Where held-out loss rises while training loss falls, the model recites: "
        "train for fewer epochs, or add examples."
    )
    legend = tuple((kind, f"{label}: {points[-1][1]:.3f} at the end") for label, kind, points in lines)
    marks = [Mark(float(event["step"]), f"step {event['step']}: {event['what']}") for event in _events(learnt)]
    plot = plots.curves(lines, title="Loss by step", across="step", marks=marks)
    told = [f"{finding['kind'].capitalize()}: {finding['words']}" for finding in learnt.facts.get("diagnosis", ())]
    return Section("How it learnt", (Figure(meaning, plot, legend=legend),), (*told, *_written(learnt.curve)))


def _events(learnt: Learnt) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = learnt.facts.get("events", ())
    return found


def _written(curve: Sequence[Mapping[str, Any]]) -> list[str]:
    """Bits per byte against the base's, where something is written."""
    bits = [(row["step"], row["bits_per_byte"]) for row in curve if row.get("bits_per_byte") is not None]
    if not bits or bits[0][0] != 0:
        return []
    step, low = min(bits, key=lambda one: one[1])
    return [f"A byte of the held-out answers cost the base {bits[0][1]:.3f} bits, and {low:.3f} after step {step}."]
