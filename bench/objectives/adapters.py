"""Ways of tuning compared: LoRA, rsLoRA, DoRA, LoRA+ and every weight, after the same tokens, taking turns in one run.

SmolLM2-135M learns once from 384 rows of the medical coding example, every way at its own `auto` settings but for what
makes it that way, without replay. Real tokens per second over all steps but the first of every turn. The loss is that
of 96 rows of categories that nobody learnt from, every model scored by plain `transformers` and `peft` in float32.
There is no bar: the table says what a way costs and what it is worth on such data.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.engine._race import Runner, race, start
from bench.engine._rows import write_tokenized
from bench.engine.t1 import BASE, score
from bench.record import Asked, Outcome, run_bench, say
from bench.runs import DEMO, luthier, warm

from luthier.artifacts.folders import DatasetDir
from luthier.artifacts.rows import read_worded
from luthier.models.bases import resolve_base
from luthier.records import Worded

WAYS: dict[str, dict[str, Any]] = {
    "LoRA": {},
    "rsLoRA of rank 64": {"adapter": {"variant": "rslora", "rank": 64}},
    "DoRA": {"adapter": {"variant": "dora"}},
    "LoRA+": {"adapter": {"lora_plus": 16}},
    "every weight": {"method": "full"},
}
ROWS, HELD_OUT = 384, 96
FEW, FEW_HELD_OUT = 48, 4
"""The same of the quick form."""
TURN = 6_000
"""Tokens of one turn."""


def measure(asked: Asked) -> Outcome:
    """All ways; the quick form gives them an eighth of the rows."""
    warm(BASE)
    rows, held_out = (FEW, FEW_HELD_OUT) if asked.quick else (ROWS, HELD_OUT)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_rows(folder, rows=rows, held_out=held_out)
        runners = [_start(way, folder, seed=asked.seed) for way in WAYS]
        race(runners, turn=TURN)
        losses = score(folder, resolve_base(BASE, relative_to=Path()).folder, list(WAYS))
    return _outcome({runner.name: runner for runner in runners}, losses)


def _write_rows(folder: Path, *, rows: int, held_out: int) -> None:
    """The example's rows as `prepare` leaves them; their ids are hashes, so the first ones by id are a sample."""
    made = [luthier(stage, str(DEMO), "--out", str(folder), "--json").result() for stage in ("collect", "prepare")]
    dataset = Path(made[-1]["run"]) / DatasetDir.kind
    for name, part, count in (("rows", "train", rows), ("held-out", "validation", held_out)):
        found = sorted(read_worded(dataset / f"{part}.parquet"), key=lambda row: row.id)[:count]
        write_tokenized(folder / f"{name}.jsonl", [_told(row) for row in found])
        say(f"{name}: {len(found)} rows, {sum(len(row.ids) for row in found):,} tokens")


def _told(row: Worded) -> dict[str, Any]:
    return {"ids": list(row.ids), "trained": [int(each) for each in row.trained]}


def _start(way: str, folder: Path, *, seed: int) -> Runner:
    words = [sys.executable, "-m", "bench.engine._luthier_loop", str(folder / "rows.jsonl"), str(folder / way)]
    return start(way, [*words, str(seed), json.dumps({"replay": 0, **WAYS[way]})], scratch=folder)


def _outcome(runners: dict[str, Runner], losses: dict[str, float]) -> Outcome:
    table = {
        name: {
            "held_out_loss": round(losses[name], 4),
            "tokens_per_second": round(runner.speed, 1),
            "peak_gib": round(runner.peak / 2**30, 2),
        }
        for name, runner in runners.items()
    }
    say(f"the untuned base: held-out loss {losses['base']:.4f}")
    for name, row in table.items():
        say(f"{name}: {', '.join(f'{key} {value}' for key, value in row.items())}")
    return Outcome(
        holds=True,
        value=table,
        bar="none",
        peer={"base": round(losses["base"], 4)},
        detail={name: {"speeds": runner.speeds, **_settled(runner)} for name, runner in runners.items()},
    )


def _settled(runner: Runner) -> dict[str, Any]:
    return {key: value for key, value in runner.facts.items() if key not in {"event", "versions"}}


if __name__ == "__main__":
    run_bench("objectives.adapters", measure, about=__doc__)
