"""Answers that reviewers preferred, from a file of pairs to evidence: a model that answers, and one that judges."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

LUTHIER = str(Path(sys.executable).parent / "luthier")
EXAMPLE = Path(__file__).parents[2] / "examples" / "preferred-answers"
SHORT = ["train.epochs=0.04", "train.replay=0.0", "prepare.split.exam=0.06", "prepare.split.validation=0.02"]
"""A minute: too little to learn much, enough to go the whole way."""


def luthier(*arguments: str) -> str:
    done = subprocess.run([LUTHIER, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "primary", "against"),
    [("luthier.yaml", "win_rate", "base"), ("reward.yaml", "pair_accuracy", "linear probe")],
)
def test_pairs_become_evidence(tmp_path: Path, file: str, primary: str, against: str) -> None:
    sets = [word for setting in SHORT for word in ("--set", setting)]
    last = json.loads(luthier("run", str(EXAMPLE / file), "--out", str(tmp_path), "--json", *sets).splitlines()[-1])
    record = json.loads(Path(last["evidence"]).read_bytes())
    assert (record["plan"]["primary"], record["plan"]["against"]) == (primary, against)
    assert record["figures"]["gain"]["documents"] >= 30
    assert (record["plan"]["retention_margin"] is None) == (primary == "pair_accuracy")
    luthier("verify", last["run"])
