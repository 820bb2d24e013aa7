"""A corner of each kind of the matrix that `python -m bench.engine.t7` goes through."""

from pathlib import Path

import pytest
from matrix import Case, Lab, cases, check_case
from tiny_runs import Server

MANY, ONE = "several pieces a step", "one piece a step"
CORNERS = [
    (Case("chat", "LoRA with dropout", MANY, "tree"), "middle"),
    (Case("chat", "rsLoRA, LoRA+ and embeddings in bfloat16", MANY, "packed"), "middle"),
    (Case("classify, encoder", "DoRA with dropout", MANY, "packed"), "last"),
    (Case("complete", "full above the first layer", ONE, "tree"), "first"),
    (Case("complete", "full in bfloat16", ONE, "packed"), "last"),
    (Case("classify, encoder", "LoRA with dropout", MANY, "packed"), "middle, seldom saved"),
    (Case("classify, decoder", "LoRA", ONE, "padded"), "first"),
]


@pytest.mark.parametrize(("case", "kind"), CORNERS, ids=lambda value: str(value))
def test_a_killed_run_goes_on_bit_for_bit(server: Server, tmp_path: Path, case: Case, kind: str) -> None:
    assert case in set(cases())
    assert check_case(Lab(server, tmp_path), case, [kind]) == []
