"""The example of synonym search in a short form: from pairs to vectors, a verdict and evidence that verifies."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

LUTHIER = str(Path(sys.executable).parent / "luthier")
EXAMPLE = Path(__file__).parents[2] / "examples" / "synonym-search"


def luthier(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LUTHIER, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_synonyms_are_searched_examined_and_asked(tmp_path: Path) -> None:
    short = ["--set", "train.epochs=0.1", "--set", "prepare.split.exam=0.05"]
    done = luthier("run", str(EXAMPLE / "luthier.yaml"), "--out", str(tmp_path), "--json", *short)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    record = json.loads(Path(told["evidence"]).read_bytes())
    assert record["plan"]["primary"] == "ndcg_10"
    assert record["figures"]["rivals"]["BM25"]["value"] > 0
    assert luthier("verify", told["run"]).returncode == 0
    asked = luthier("ask", told["run"], "breakbone fever", "--json")
    assert len(json.loads(asked.stdout.splitlines()[-1])["embedding"]) == 384
