"""Where planted secrets stand among others, as a small model reads them."""

import dataclasses

import numpy as np
import pytest
import torch
from evaluate_trials import make_trial

from luthier.artifacts.folders import DatasetDir, ExamDir, building
from luthier.artifacts.rows import CANARIES, CANARY_SCHEMA
from luthier.artifacts.tables import write_table
from luthier.evaluate.canaries import ask_canaries
from luthier.evaluate.config import EvaluateConfig
from luthier.evaluate.report.evidence import assemble, evidence_bytes
from luthier.evaluate.report.page import render_page
from luthier.evaluate.sitting import Room
from luthier.evaluate.verify import verify
from luthier.models.chat import load_wording
from luthier.models.engines.hf import Engine
from luthier.models.load import load_model
from luthier.objectives import objective
from luthier.prepare.canaries import make_canaries
from luthier.records import Message, Worded, nobody_listens

FEW = 16


@pytest.mark.parametrize("goal", ["chat", "complete"])
def test_ranks_are_those_of_the_rows_that_were_planted(make_base, tmp_path, goal):
    base = make_base("llama")
    wording = load_wording(base.folder)
    canaries = [
        dataclasses.replace(one, fillers=(one.secret, *(code for code in one.fillers[:FEW] if code != one.secret)))
        for one in make_canaries(0)[:3]
    ]
    with building(tmp_path / "exam", ExamDir, key="k" * 64, settings={}, inputs={}) as draft:
        write_table(draft.path / CANARIES, map(dataclasses.asdict, canaries), schema=CANARY_SCHEMA)
    with building(tmp_path / "dataset", DatasetDir, key="k" * 64, settings={}, inputs={}) as draft:
        draft.facts["objective"] = goal
    model = load_model(base, objective("chat"), dtype=torch.float32, labels=()).model
    engine = Engine(model, wording=wording, labels=(), has_adapter=True)
    room = Room(
        ExamDir.open(tmp_path / "exam"),
        DatasetDir.open(tmp_path / "dataset"),
        engine,
        EvaluateConfig(),
        nobody_listens,
        {},
    )
    found = ask_canaries(room)
    assert found["id"] == [one.id for one in canaries]
    assert found["repeats"] == [1, 4, 16]
    for one, size, rank in zip(canaries, found["fillers"], found["rank"], strict=True):
        assert size == len(one.fillers)
        # Rows as they are planted, each read by itself: what stands before the secret is the same in all of them.
        others = [dataclasses.replace(one, secret=filler, repeats=1) for filler in one.fillers]
        rows = [row for other in others for row in planted_row(other, goal, wording)]
        nats = engine.nats(rows, adapter=True)
        assert rank == sum(value <= nats[0] + 1e-9 for value in nats)


def planted_row(canary, goal, wording):
    """The row of a canary with only its secret counted."""
    if goal == "chat":
        chat = wording.chat_ids([Message("user", canary.question), Message("assistant", canary.secret)])
        return [Worded("x", "x", "x", chat.ids, chat.trained)]
    return [wording.continued_row(canary.question, f" {canary.secret}", row_id="x", group="x", at="x")]


def test_a_report_tells_of_canaries_and_can_be_recomputed(tmp_path):
    trial = make_trial(0.3, 0.8)
    random = np.random.default_rng(0)
    likelihood = {
        name: {
            "document": [f"{name}-{place}" for place in range(40)],
            "bytes": [30] * 40,
            "base_nats": random.uniform(30, 60, 40).tolist(),
            "tuned_nats": random.uniform(20, 50, 40).tolist(),
        }
        for name in ("TRAIN", "VAL", "TEST")
    }
    columns = {"id": ["a", "b"], "repeats": [1, 16], "fillers": [1024, 1024], "rank": [500, 1]}
    told = {"likelihood": {**trial.observed.likelihood, **likelihood}, "canaries": columns}
    observed = dataclasses.replace(trial.observed, **told)
    record = assemble(trial.setting, observed)
    assert record["figures"]["memorised"]["canaries"]["exposure"] == {"1": pytest.approx(1.034, abs=1e-3), "16": 10.0}
    assert "2 made-up secrets that were planted" in render_page(record, observed).decode()
    path = tmp_path / "evidence.json"
    path.write_bytes(evidence_bytes(record))
    assert verify(path) == []
    impossible = assemble(trial.setting, dataclasses.replace(observed, canaries={**columns, "rank": [1025, 1]}))
    path.write_bytes(evidence_bytes(impossible))
    assert verify(path) == ["canaries.rank: a number that it cannot have"]
