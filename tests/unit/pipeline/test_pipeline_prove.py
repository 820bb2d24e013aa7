"""The proof of cleaning: what comes back, what is held out, and what the interval holds."""

import json
from pathlib import Path

import numpy as np
import pytest

from luthier.artifacts.folders import DatasetDir, building
from luthier.artifacts.rows import read_worded, write_worded
from luthier.artifacts.tables import read_table, write_table
from luthier.errors import UserError
from luthier.pipeline.actions import prove as proving
from luthier.pipeline.actions.prove import Runs, interval
from luthier.pipeline.actions.show import show_run
from luthier.pipeline.run import run
from luthier.prepare.candidate import SPLIT_SCHEMA
from luthier.records import Worded

chat_only = pytest.mark.parametrize("objective", ["chat"], indirect=True)
PROVE = "prepare.clean.prove=true"
LOOP = "and again this and that comes round here once more, " * 8


@pytest.fixture
def damaged_file(project_file: Path) -> Path:
    """The project with ten rows whose answers go round in a loop, in groups of their own."""
    rows = project_file.parent / "data" / "rows.csv"
    with rows.open("a") as stream:
        stream.writelines(f'thing {number} 9,"{LOOP}{number}",u{number}\n' for number in range(40, 50))
    project_file.write_text(project_file.read_text().replace("prepare:\n", "prepare:\n  clean: {accept: [loops]}\n"))
    return project_file


@chat_only
def test_what_cleaning_took_out_is_trained_again_and_judged_on_the_same_rows(
    damaged_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "TOKENS", 300)
    seen: list[tuple[set[str], int, tuple[str, ...]]] = []
    bits = Runs.bits

    def watched(self: Runs, sample: DatasetDir, held_out: list[Worded], **how: object) -> np.ndarray:
        rows = read_worded(sample.file("train.parquet"))
        seen.append(({row.at for row in rows}, len(rows), tuple(row.id for row in held_out)))
        return bits(self, sample, held_out, **how)

    monkeypatch.setattr(Runs, "bits", watched)
    told: list[str] = []
    folder = run(damaged_file, only="collect").run
    run(damaged_file, only="prepare", overrides=[PROVE], tell=told.append)
    found = json.loads((folder / "prove.json").read_bytes())
    dataset = DatasetDir.open(folder / "dataset")
    looped = {row["at"] for row in read_table(dataset.file("dropped.parquet")) if row["rule"] == "loops"}
    assert found["removed"] == len(looped) == 10
    assert len(seen) == 6
    without, with_them = seen[0], seen[3]
    assert with_them[0] - without[0] <= looped
    assert with_them[1] - without[1] == found["returned"] > 0
    assert without[0] == {row.at for row in read_worded(dataset.file("train.parquet"))}
    assert {held for _, _, held in seen} == {without[2]}
    assert not with_them[0] & {row.at for row in read_worded(dataset.file("validation.parquet"))}
    assert found["saved"]["low"] <= found["saved"]["value"] <= found["saved"]["high"]
    assert np.isclose(found["bits_per_byte"]["with"] - found["bits_per_byte"]["without"], found["saved"]["value"])
    assert not (folder / "prove").exists()
    assert any("6 short runs of at most 300 tokens" in line for line in told)
    assert found["words"] in show_run(folder).text
    run(damaged_file, only="prepare", overrides=[PROVE])
    assert len(seen) == 6
    run(damaged_file, only="prepare", overrides=["prepare.split.seed=1"])
    assert found["words"] not in show_run(folder).text


def test_rows_beside_a_held_out_one_do_not_come_back(tmp_path: Path) -> None:
    def worded(name: str, group: str) -> Worded:
        return Worded(name, group, f"a.csv:{name}", (1, 2), (False, True), (), 1)

    rows = [worded("stays", "g1"), worded("back-2", "g2"), worded("beside", "g3"), worded("chunk", "g4")]
    empty = dict.fromkeys(SPLIT_SCHEMA.names)
    splits = [{**empty, "id": row.id, "group": row.group, "part": "train"} for row in rows]
    splits[3]["document"] = "page"
    splits.append({**empty, "id": "held", "group": "g3", "part": "validation"})
    with building(tmp_path / "dataset", DatasetDir, key="k", settings={}, inputs={}) as draft:
        write_worded(draft.path / "train.parquet", rows)
        write_table(draft.path / "splits.parquet", splits, schema=SPLIT_SCHEMA)
    whole = DatasetDir.open(tmp_path / "dataset")
    found = proving._returned(whole, {"back", "beside", "page"}, apart={"held"})
    assert [row.id for row in found] == ["back-2", "chunk"]


@chat_only
def test_without_removed_rows_there_is_nothing_to_compare(project_file: Path) -> None:
    folder = run(project_file, only="collect").run
    run(project_file, only="prepare")
    before = DatasetDir.open(folder / "dataset").manifest
    told: list[str] = []
    run(project_file, only="prepare", overrides=[PROVE], tell=told.append)
    assert DatasetDir.open(folder / "dataset").manifest == before
    assert told[-1].startswith("prove: cleaning took 0 rows out")


@pytest.mark.parametrize("objective", ["classify"], indirect=True)
def test_a_classifier_has_no_bits_per_byte(project_file: Path) -> None:
    with pytest.raises(UserError, match="objective 'classify' does not write"):
        run(project_file, overrides=[PROVE])


def test_the_interval_holds_texts_and_orders() -> None:
    made = np.random.default_rng(0)
    groups = [f"g{number // 2}" for number in range(40)]
    calm = 0.1 + made.normal(0, 0.01, (3, 40))
    narrow, wide = interval(calm, groups), interval(calm + np.array([[-0.1], [0.0], [0.1]]), groups)
    assert narrow["low"] > 0.09
    assert narrow["value"] == pytest.approx(wide["value"])
    assert wide["low"] < 0
    assert interval(np.zeros((3, 40)), groups) == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_the_interval_covers_the_truth() -> None:
    made = np.random.default_rng(1)
    groups = [f"g{number}" for number in range(25)]
    hits = 0
    for _ in range(300):
        orders, texts = made.normal(0, 0.02, (3, 1)), made.normal(0, 0.05, (1, 25))
        found = interval(0.03 + orders + texts + made.normal(0, 0.02, (3, 25)), groups)
        hits += found["low"] <= 0.03 <= found["high"]
    assert hits / 300 >= 0.87
