"""The smaller examples in a short form: each goes from its files to a verdict, and its evidence verifies."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

LUTHIER = str(Path(sys.executable).parent / "luthier")
EXAMPLES = Path(__file__).parents[2] / "examples"
ENCODER = ["train.epochs=0.1", "prepare.split.exam=0.1"]
SHORT = {
    "finance-ner/luthier.yaml": ("span_f1", ENCODER),
    "exam-questions/luthier.yaml": ("macro_f1", [*ENCODER, "evaluate.arms=pair"]),
    "postgres-docs/fill.yaml": (
        "bits_per_token",
        [*ENCODER, "collect.sources=[data/sql-update.pdf, data/tutorial-join.docx]"],
    ),
    "preferred-answers/luthier.yaml": ("win_rate", ["train.epochs=0.1", "prepare.split.exam=0.1", "train.scale=1.0"]),
}
"""Project -> its primary metric, and the settings that make it short."""


def luthier(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LUTHIER, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("project", SHORT)
def test_an_example_goes_from_files_to_a_verdict_that_verifies(project: str, tmp_path: Path, small_base: Path) -> None:
    primary, settings = SHORT[project]
    if project.startswith("preferred"):
        settings = [*settings, f"base={small_base}"]
    sets = [word for setting in settings for word in ("--set", setting)]
    done = luthier("run", str(EXAMPLES / project), "--out", str(tmp_path), "--json", *sets)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    record = json.loads(Path(told["evidence"]).read_bytes())
    assert record["plan"]["primary"] == primary
    assert record["gates"]["clean"]["state"] == "CLEAN"
    assert told["verdict"] == record["verdict"]["verdict"]
    assert luthier("verify", told["run"]).returncode == 0
