"""Receipts before the first step."""

from collections.abc import Callable, Sequence

import pytest
from trainings import Training, make_rows

from luthier.errors import UserError
from luthier.models.chat import load_wording
from luthier.records import Worded
from luthier.train.batches import plan_steps
from luthier.train.receipts import check_denominators


def trained(rows: Sequence[Worded]) -> int:
    return sum(sum(row.trained) for row in rows)


def test_r10_denominators_of_micro_batches_add_up(make_training: Callable[..., Training]) -> None:
    rows = make_rows(load_wording(make_training("chat").base.folder), "chat", 40)
    steps = plan_steps([len(row.ids) for row in rows], epochs=1.5, batch_tokens=100, seed=0)
    check_denominators(steps, rows, tokens=60, units=trained)
    with pytest.raises(UserError, match=r"receipt R10 \(denominators\): step 1 "):
        check_denominators(steps, rows, tokens=60, units=lambda some: max(1, trained(some) - 1))


def test_rows_that_no_longer_hold_their_promise_stop_training(make_training: Callable[..., Training]) -> None:
    wording = load_wording(make_training("chat").base.folder)
    rows = make_rows(wording, "chat", 24)
    masked = Worded(
        **{**{name: getattr(rows[0], name) for name in rows[0].__slots__}, "trained": (False,) * len(rows[0].ids)}
    )
    with pytest.raises(UserError, match="receipt R1"):
        make_training("chat", rows={"train": [masked, *rows[1:]]}).run("run")
