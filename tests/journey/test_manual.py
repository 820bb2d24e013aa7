"""A manual, read whole: pages of HTML in an archive, a PDF, a DOCX and an XLSX become a data sheet and evidence."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

LUTHIER = str(Path(sys.executable).parent / "luthier")
PROJECT = Path(__file__).parents[2] / "examples" / "postgres-docs" / "luthier.yaml"
SHORT = [
    "prepare.exam.make=[table, number]",
    "train.epochs=0.05",
    "train.replay=0.0",
    "train.scale=1.0",
    "evaluate.general_texts=12",
    "evaluate.general_items=0",
]
"""Too little to learn much, enough to go the whole way."""


def luthier(*arguments: str) -> str:
    done = subprocess.run([LUTHIER, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_files_become_a_sheet_and_an_interval_of_bits_per_byte(tmp_path: Path, small_base: Path) -> None:
    sets = [word for setting in (*SHORT, f"base={small_base}") for word in ("--set", setting)]
    last = json.loads(luthier("run", str(PROJECT), "--out", str(tmp_path), "--json", *sets).splitlines()[-1])
    run = Path(last["run"])
    record = json.loads(Path(last["evidence"]).read_bytes())
    gain = record["figures"]["gain"]
    assert record["plan"]["primary"] == "bits_per_byte"
    assert gain["low"] < gain["value"] < gain["high"]
    assert gain["documents"] >= 15
    sheet = json.loads((run / "dataset" / "sheet.json").read_bytes())
    assert sheet["files"]["types"] == {"docx": 1, "html": 100, "pdf": 1, "xlsx": 1, "xz": 1}
    assert (run / "dataset" / "sheet.html").stat().st_size < 3_000_000
    luthier("verify", str(run))
    row = pq.read_table(run / "dataset" / "train.parquet").to_pylist()[0]
    told = json.loads(luthier("show", str(run), "--row", row["id"], "--json"))
    assert row["at"] in json.dumps(told)
