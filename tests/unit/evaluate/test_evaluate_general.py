"""General ability: text and tasks, kept, lost, or not shown."""

import numpy as np
import pytest
from evaluate_trials import general_text

from luthier.artifacts.folders import ExamDir, building
from luthier.artifacts.rows import TASK_SCHEMA, TASKS
from luthier.artifacts.tables import write_table
from luthier.evaluate.config import EvaluateConfig
from luthier.evaluate.forget import retained_gate, retention, task_figures
from luthier.evaluate.general import ask_tasks
from luthier.evaluate.memorise import memorised, memorised_gate
from luthier.evaluate.report.retention import retention as section
from luthier.evaluate.sets import sample
from luthier.evaluate.sitting import Room
from luthier.models.chat import load_wording
from luthier.models.engines.apart import apart, recited
from luthier.models.engines.hf import load_engine
from luthier.prepare.general.tasks import general_tasks
from luthier.records import Worded


def chances(change: float, *, tasks: int = 100, spread: float = 0.05) -> dict[str, list]:
    """Chances of the right answer, of templates of their own, that training changed by about `change`."""
    random = np.random.default_rng(0)
    base = random.uniform(0.3, 0.9, tasks)
    tuned = np.clip(base + change + random.normal(0, spread, tasks), 0, 1)
    names = [f"{place}" for place in range(tasks)]
    return {"document": names, "chance": [0.25] * tasks, "base": base.tolist(), "tuned": tuned.tolist()}


@pytest.mark.parametrize(("change", "state"), [(0.0, "RETAINED"), (-0.1, "FORGOT"), (-0.025, "INCONCLUSIVE")])
def test_a_suite_that_counts_decides_and_another_does_not(change, state):
    text = retention(general_text()["GEN-TEST"], margin=0.01, suites=2)
    for asked, expected in ((["arithmetic"], state), ([], "RETAINED")):
        figures = task_figures({"arithmetic": chances(change)}, margin=0.03, counted=asked, suites=1 + len(asked))
        gate = retained_gate(text, figures, asked=asked)
        assert gate["state"] == expected
        assert len(gate["reasons"]) == 1 + len(asked)
        assert figures["arithmetic"]["counts"] == bool(asked)


@pytest.mark.parametrize(("counted", "words"), [([], "do not count"), (["arithmetic"], "a smaller learning rate")])
def test_the_page_says_whether_an_undecided_suite_matters(counted, words):
    tasks = task_figures({"arithmetic": chances(-0.025)}, margin=0.03, counted=counted, suites=2)
    shown = section({"figures": {"tasks": tasks}})
    assert shown is not None
    assert words in shown.figures[0].meaning


def test_a_suite_that_was_not_asked_is_not_kept():
    text = retention(general_text()["GEN-TEST"], margin=0.01)
    gate = retained_gate(text, {}, asked=["arithmetic"])
    assert gate["state"] == "INCONCLUSIVE"
    assert "not asked" in gate["reasons"][1]
    few = task_figures({"arithmetic": chances(0.0, tasks=4)}, margin=0.03, counted=["arithmetic"], suites=2)
    assert retained_gate(text, few, asked=["arithmetic"])["state"] == "INCONCLUSIVE"


@pytest.mark.parametrize(("change", "state"), [(0.0, "RETAINED"), (-0.1, "FORGOT"), (-0.025, "INCONCLUSIVE")])
def test_an_embedder_keeps_what_it_could_find(change, state):
    figures = task_figures({"search": chances(change)}, margin=0.03, counted=["search"], suites=1)
    gate = retained_gate(None, figures, asked=["search"])
    assert (gate["state"], len(gate["reasons"])) == (state, 1)
    assert "Ability in search" in gate["reasons"][0]
    # It alone decides, so its loss is tested at the whole level.
    assert figures["search"]["lost_below"] == figures["search"]["high"]
    assert retained_gate(None, {}, asked=[])["state"] == "NOT ASKED"


def test_more_suites_ask_more_of_a_loss():
    one, five = (retention(general_text(ratio=1.0103)["GEN-TEST"], margin=0.01, suites=count) for count in (1, 5))
    assert one["lost_below"] == one["high"] < five["lost_below"]


def test_tasks_are_asked_of_a_model_and_read_together_give_the_same_numbers(make_base, tmp_path):
    base = make_base("llama")
    with building(tmp_path / "exam", ExamDir, key="k" * 64, settings={}, inputs={}) as draft:
        rows = [
            {"id": task.id, "suite": task.suite, "cluster": task.cluster, "question": task.question,
             "options": list(task.options)}
            for task in general_tasks()
        ]  # fmt: skip
        write_table(draft.path / TASKS, rows, schema=TASK_SCHEMA)
    engine = load_engine(base, tuned=None)
    engine.has_adapter = True  # none was put in, so both arms are the base
    config = EvaluateConfig(general_items=6)
    room = Room(ExamDir.open(tmp_path / "exam"), None, engine, config, lambda tick: None, {})
    found = ask_tasks(room)
    assert {len(columns["base"]) for columns in found.values()} == {6}
    assert all(columns["base"] == columns["tuned"] for columns in found.values())
    wording = load_wording(base.folder)
    texts = [f"A question that goes on and on for long enough to be shared, {end}" for end in ("a", "b", "c", "d")]
    same = [wording.document_row(text, row_id=text, group="g", at="a:1") for text in texts]
    assert engine.branch_nats(same, adapter=False) == pytest.approx(engine.nats(same, adapter=False), rel=1e-5)
    assert ask_tasks(Room(room.exam, None, engine, EvaluateConfig(general_items=0), lambda tick: None, {})) == {}


def test_a_row_is_recited_if_every_token_is_the_likeliest_behind_the_true_ones(make_base):
    base = make_base("llama")
    engine = load_engine(base, tuned=None)
    wording = load_wording(base.folder)
    start = wording.document_ids("Fifty bytes to begin with, from which the model goes on.")[:51]
    [told] = engine.generate([start], adapter=False, max_tokens=50)
    assert len(told.ids) == 50
    rows = [
        Worded(name, "g", "a:1", ids, (False, *(True,) * (len(ids) - 1)))
        for name, ids in (("told", (*start, *told.ids)), ("other", (*start, *reversed(told.ids))), ("short", start))
    ]
    assert recited(engine, rows, adapter=False) == [True, told.ids == told.ids[::-1], None]


def test_a_model_is_not_apart_from_itself(make_base):
    base = make_base("llama")
    engine = load_engine(base, tuned=None)
    engine.has_adapter = True
    row = load_wording(base.folder).document_row("Some text of the exam.", row_id="r", group="g", at="a:1")
    [found] = apart(engine, [row])
    assert (found.forward, found.backward) == (0.0, 0.0)
    assert found.alike == found.tokens == sum(row.trained)


def test_reciting_training_rows_alone_is_memorising():
    def recites(share: float, seed: int) -> dict[str, list]:
        told = [place < share * 40 for place in range(40)]
        random = np.random.default_rng(seed)
        nats = random.uniform(50, 60, 40).tolist()
        return {"document": [f"{seed}-{place}" for place in range(40)], "bytes": [40] * 40, "base_nats": nats,
                "tuned_nats": (np.array(nats) - random.uniform(1, 2, 40)).tolist(), "base_recites": [False] * 40,
                "tuned_recites": told}  # fmt: skip

    for share, state in ((0.05, "MEMORISED"), (0.0, "NOT SEEN")):
        sets = {"TRAIN": recites(share, 1), "VAL": recites(0.0, 2), "TEST": recites(0.0, 3)}
        figure = memorised(sets, {})
        assert figure["recited"]["excess"] == pytest.approx(share)
        assert memorised_gate(figure, blocks=False)["state"] == state


def test_a_sample_takes_every_group_before_a_second_row_of_one_and_cuts_long_answers():
    rows = [Worded(f"r{place}", f"g{place % 5}", "a:1", (7,) * 400, (False,) * 100 + (True,) * 300, answer_bytes=600)
            for place in range(40)]  # fmt: skip
    chosen = sample(rows, longest=200)
    assert len({row.group for row in chosen[:5]}) == 5
    assert {len(row.ids) for row in chosen} == {300}
    assert {row.answer_bytes for row in chosen} == {400}
    assert len(chosen) == 6_144 // 300
    assert len(sample([Worded(row.id, row.group, row.at, (7,) * 2_000, ()) for row in rows])) == 8
