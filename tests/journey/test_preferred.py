"""Answers that reviewers preferred, from a file of pairs to evidence; `make proof` trains the judging model too."""

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
def test_pairs_become_evidence(tmp_path: Path) -> None:
    sets = [word for setting in SHORT for word in ("--set", setting)]
    words = ("run", str(EXAMPLE / "luthier.yaml"), "--out", str(tmp_path), "--json", *sets)
    last = json.loads(luthier(*words).splitlines()[-1])
    record = json.loads(Path(last["evidence"]).read_bytes())
    assert (record["plan"]["primary"], record["plan"]["against"]) == ("win_rate", "base")
    assert record["figures"]["gain"]["documents"] >= 30
    assert record["plan"]["retention_margin"] is not None
    luthier("verify", last["run"])
