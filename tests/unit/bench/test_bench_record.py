"""All benches speak one language."""

import importlib
import json
from pathlib import Path

import pytest
from bench.record import ROOT, Asked, Outcome, keep_row, last_line, run_bench

BENCHES = sorted(
    f"{file.parent.name}.{file.stem}" for file in (ROOT / "bench").glob("*/*.py") if not file.name.startswith("_")
)
OUTCOME = Outcome(
    holds=False, value=1.5, bar=">= 2", peer={"speed": 1}, detail={"why": "slow"}, versions={"peer": "9.9"}
)


def test_the_benches_of_the_plan_are_there() -> None:
    wanted = {"engine.t1", "evidence.e10", *(f"journey.{name}" for name in ("demo", "encoder", "kills"))}
    assert {*wanted, "journey.serve"} <= set(BENCHES)


@pytest.mark.parametrize("name", BENCHES)
def test_every_bench_imports_and_says_what_it_does(name: str) -> None:
    module = importlib.import_module(f"bench.{name}")
    assert module.__doc__
    assert callable(module.measure)
    # A bench that calls itself otherwise would write its rows into another's file.
    assert f'run_bench("{name}"' in Path(str(module.__file__)).read_text(encoding="utf-8")


def test_the_last_line_is_the_one_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    monkeypatch.setattr("bench.record.keep_row", lambda *row: rows.append(row))
    run_bench("room.name", lambda _asked: OUTCOME, about="Measure something.\n\nMore.", words=["--seed", "7"])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "room.name: Measure something."
    assert json.loads(printed[-1]) == {
        "bench": "room.name",
        "holds": False,
        "value": 1.5,
        "bar": ">= 2",
        "peer": {"speed": 1},
        "seed": 7,
    }
    assert rows == [("room.name", Asked(seed=7, quick=False), OUTCOME)]


def test_a_row_is_kept_for_every_run(tmp_path: Path) -> None:
    asked = Asked(seed=3, quick=True)
    for _ in range(2):
        path = keep_row("room.name", asked, OUTCOME, results=tmp_path)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert path == tmp_path / "room.name.jsonl"
    assert len(rows) == 2
    row = rows[-1]
    assert {key: row[key] for key in ("bench", "holds", "seed")} == {"bench": "room.name", "holds": False, "seed": 3}
    assert last_line("room.name", asked, OUTCOME).items() <= row.items()
    assert row["quick"] is True
    assert row["detail"] == {"why": "slow"}
    assert row["versions"].keys() == {"python", "luthier", "torch", "transformers", "peer"}
    assert set(row["machine"]) == {"cpu", "cores", "memory_gib"}
    assert row["machine"]["cpu"]
    assert row["machine"]["cores"] >= 1
    assert row["machine"]["memory_gib"] > 0
    assert row["date"].endswith("+00:00")
    assert row["commit"]


def test_rows_hold_no_place_on_a_machine() -> None:
    for file in (ROOT / "bench" / "results").glob("*.jsonl"):
        text = file.read_text(encoding="utf-8")
        assert str(ROOT) not in text, file
        assert str(Path.home()) + "/" not in text, file
        for line in text.splitlines():
            assert json.loads(line)["bench"] == file.name.removesuffix(".jsonl")
