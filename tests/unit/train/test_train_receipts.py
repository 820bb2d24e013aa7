"""Receipts before the first step."""

import json
from collections.abc import Callable, Sequence

import pytest
from trainings import Training, make_rows

from luthier.errors import UserError
from luthier.models.chat import load_wording
from luthier.records import Worded
from luthier.train.batches import plan_steps
from luthier.train.receipts import check_denominators

Making = Callable[..., Training]


def trained(rows: Sequence[Worded]) -> int:
    return sum(sum(row.trained) for row in rows)


def test_r10_denominators_of_micro_batches_add_up(make_training: Making) -> None:
    rows = make_rows(load_wording(make_training("chat").base.folder), "chat", 40)
    steps = plan_steps([len(row.ids) for row in rows], epochs=1.5, batch_tokens=100, seed=0)
    counts = check_denominators(steps, rows, tokens=60, units=trained)
    learnt = sum(sum(rows[place].trained) for step in steps for place in step.rows)
    assert (counts["steps"], counts["denominators"]) == (len(steps), learnt)
    assert counts["micro_batches"] > len(steps)
    with pytest.raises(UserError, match=r"receipt R10 \(denominators\): step 1 "):
        check_denominators(steps, rows, tokens=60, units=lambda some: max(1, trained(some) - 1))


def test_r1_a_batch_has_nothing_to_learn(make_training: Making) -> None:
    rows = make_rows(load_wording(make_training("chat").base.folder), "chat", 12)
    steps = plan_steps([len(row.ids) for row in rows], epochs=1.0, batch_tokens=100, seed=0)
    with pytest.raises(UserError, match=r"receipt R1 .* has nothing to learn in step 1"):
        check_denominators(
            steps, rows, tokens=60, units=lambda some: sum(row is not rows[steps[0].rows[0]] for row in some)
        )


@pytest.mark.parametrize(("objective", "own"), [("chat", {"R4", "R7"}), ("classify", {"R7", "R12"})])
def test_the_model_folder_keeps_what_the_receipts_found(make_training: Making, objective: str, own: set[str]) -> None:
    model = make_training(objective, epochs=0.5).run("run")
    receipts = json.loads(model.file("receipts.json").read_bytes())
    assert set(receipts) == {"R1", "R6", "R9", "R10"} | own
    assert receipts["R1"]["rows"] == 24
    assert receipts["R9"]["template_hash"] == model.manifest.facts["template_hash"]
    if objective == "chat":
        assert "equal to each row alone" in receipts["R7"]["found"]


def test_r9_the_template_changed_after_the_rows_were_worded(make_training: Making) -> None:
    training = make_training("chat")
    path = training.base.folder / "chat_template.jinja"
    path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8")
    with pytest.raises(UserError, match=r"receipt R9 \(template hash\)"):
        training.run("run")


def test_rows_that_no_longer_hold_their_promise_stop_training(make_training: Making) -> None:
    wording = load_wording(make_training("chat").base.folder)
    rows = make_rows(wording, "chat", 24)
    masked = Worded(
        **{**{name: getattr(rows[0], name) for name in rows[0].__slots__}, "trained": (False,) * len(rows[0].ids)}
    )
    with pytest.raises(UserError, match="receipt R1"):
        make_training("chat", rows={"train": [masked, *rows[1:]]}).run("run")
