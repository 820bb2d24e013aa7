"""Would more data help?"""

import json
from pathlib import Path

import numpy as np
import pytest

from luthier.errors import UsageError, UserError
from luthier.pipeline.actions.more_data import SEEDS, SHARES, forecast, outlook


def losses(law, *, documents=160, noise=0.001, seed=0):
    random = np.random.default_rng(seed)
    return [
        [round(share * documents), each, float(law(share) * (1 + noise * random.normal()))]
        for share in SHARES
        for each in SEEDS
    ]


def test_a_law_that_foretold_the_past_foretells_more() -> None:
    shown = outlook(losses(lambda share: 0.3 * share**-0.3 + 0.6, seed=1), times=2)
    assert shown.values["predictable"]
    found = shown.values["forecast"]
    assert found["documents"] == 320
    assert found["low"] < 0.3 * 2**-0.3 + 0.6 < found["high"]
    assert "With 320 documents" in shown.text
    assert "% fewer than now" in shown.text


def test_nothing_is_printed_where_the_past_was_not_foretold_or_little_can_come() -> None:
    turned = losses(lambda share: 1.0 if share < 1 else 0.5)
    for rows in (losses(lambda share: 0.9), turned):
        shown = outlook(rows, times=4)
        assert shown.values["forecast"] is None
        assert "Not predictable" in shown.text
        assert "160" in shown.text  # what was measured is shown all the same


@pytest.mark.parametrize("objective", ["chat"], indirect=True)
def test_trainings_on_nested_parts_are_done_once(finished_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("luthier.pipeline.actions.more_data.FEWEST", 4)
    run = finished_file.parent / "runs" / "small"
    told: list[str] = []
    shown = forecast(run, times=2, tell=told.append)
    rows = shown.values["losses"]
    assert len(rows) == len(SHARES) * len(SEEDS)
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert told == ["more data: 10 trainings, 3.9 times as long as one on everything"]
    assert not (run / "more-data").exists()
    assert forecast(run, times=4, tell=told.append).values["losses"] == rows
    assert len(told) == 1
    assert json.loads((run / "more-data.json").read_bytes())["losses"] == rows


@pytest.mark.parametrize("objective", ["chat"], indirect=True)
def test_what_cannot_be_is_refused(finished_file: Path) -> None:
    run = finished_file.parent / "runs" / "small"
    with pytest.raises(UsageError, match="at most 4"):
        forecast(run, times=5, tell=print)
    with pytest.raises(UserError, match="need 16"):
        forecast(run, tell=print)
    assert not (run / "more-data.json").exists()


@pytest.mark.parametrize("objective", ["classify"], indirect=True)
def test_labels_have_no_bits_per_byte(finished_file: Path) -> None:
    with pytest.raises(UserError, match="does not write"):
        forecast(finished_file.parent / "runs" / "small", tell=print)
