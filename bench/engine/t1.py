"""T1: training speed against TRL's SFTTrainer, LitGPT and this machine's own floor, taking turns in one run.

LoRA r = 16 on all linear layers of SmolLM2-135M. Everybody learns once from the same 72 conversations of 190 tokens on
average, tokenized before, a third of each answer, the answer alone carrying loss. Real tokens per second over all steps
but the first of every turn: there memory is fetched again that the system took back while the others computed, which
training alone never waits for. Loading and padding do not count. Luthier runs twice: doing what its peers do, which
the bars are about, and as shipped, which adds a tenth of the base's own writing. The loss is that of 16 other
conversations after the same tokens, every model scored by plain `transformers` and `peft` in float32.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.engine._products import step_floor
from bench.engine._race import Runner, race, start
from bench.engine._rows import standard_rows, tokenized, write_tokenized
from bench.engine.ceiling import measured_products
from bench.peers import peer_python
from bench.record import ROOT, Asked, Outcome, run_bench, say

from luthier.models.bases import resolve_base
from luthier.models.chat import load_wording

TIMES_DEFAULTS, TIMES_BEST, SHARE = 10, 5, 0.6
"""The bars: times TRL's defaults, times TRL's best setting, share of the floor."""
BASE = "smollm2-135m"
ROWS, HELD_OUT = 72, 16
FEW, FEW_HELD_OUT = 24, 2
"""The same of the quick form."""
TURN = 3 * 1520
"""Tokens of one turn: three steps of TRL's defaults, of 8 rows each."""
TRL = ("trl==1.16.0", "torch==2.13.0", "transformers==5.23.0", "peft==0.21.2", "accelerate==1.15.0")
TRL_BEST = "like lengths, pure bfloat16"
"""The fastest of the settings that `bench.engine.trl_settings` compares."""
LITGPT = ("litgpt==0.5.13", "torch==2.13.0", "lightning==2.6.6", "torchmetrics==1.9.0", "numpy==2.4.6")
LITGPT_BEST = "bf16-true,1"
"""Weights in bfloat16, and one row at a time: LitGPT pads, so more at once are slower."""
SCRIPTS = ROOT / "bench" / "engine"


def measure(asked: Asked) -> Outcome:
    """All five loops; the quick form gives them a third of the rows."""
    base = resolve_base(BASE, relative_to=Path())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count, held_out = (FEW, FEW_HELD_OUT) if asked.quick else (ROWS, HELD_OUT)
        labelled = write_rows(folder, base.folder, count=count, held_out=held_out, seed=asked.seed)
        runners = _luthier(folder, asked.seed)
        computed = runners[0].facts["computed_share"]
        floors = [_floor(labelled, computed=computed)]
        runners += _peers(folder, base.folder, asked.seed, rate=runners[0].facts["learning_rate"])
        race(runners, turn=TURN)
        floors.append(_floor(labelled, computed=computed))
        losses = score(folder, base.folder, [runner.name for runner in runners])
    return _outcome({runner.name: runner for runner in runners}, floors, losses, labelled=labelled)


def write_rows(folder: Path, base: Path, *, count: int, held_out: int = HELD_OUT, seed: int) -> float:
    """Rows to learn and rows to score; returns the share of tokens that carry loss."""
    wording = load_wording(base)
    rows = tokenized(standard_rows(count + held_out, seed=seed, wording=wording), wording)
    write_tokenized(folder / "rows.jsonl", rows[:count])
    write_tokenized(folder / "held-out.jsonl", rows[count:])
    lengths = [len(row["ids"]) for row in rows[:count]]
    share = sum(sum(row["trained"]) for row in rows[:count]) / sum(lengths)
    mean = statistics.mean(lengths)
    say(f"{count} rows, {mean:.0f} tokens on average ({min(lengths)} to {max(lengths)}), {share:.0%} carries loss")
    return share


def _floor(labelled: float, *, computed: float) -> dict[str, float]:
    found = step_floor(measured_products(BASE, "bfloat16"), labelled=labelled, computed=computed)
    own, square = found["own"], found["square"]
    say(f"floor {own:,.0f} tokens/s at the rates of the model's own shapes, {square:,.0f} at the best square rate")
    return found


def _luthier(folder: Path, seed: int) -> list[Runner]:
    loop = [sys.executable, "-m", "bench.engine._luthier_loop", str(folder / "rows.jsonl")]
    asked = {"Luthier": {"replay": 0}, "Luthier as shipped": {}}
    return [
        start(name, [*loop, str(folder / name), str(seed), json.dumps(settings)], scratch=folder)
        for name, settings in asked.items()
    ]


def _peers(folder: Path, base: Path, seed: int, *, rate: float) -> list[Runner]:
    asked = {"TRL (defaults)": "defaults", "TRL (best)": TRL_BEST, "LitGPT": LITGPT_BEST}
    return [
        start_peer(name, setting, folder=folder, base=base, seed=seed, rate=rate) for name, setting in asked.items()
    ]


def start_peer(name: str, setting: str, *, folder: Path, base: Path, seed: int, rate: float) -> Runner:
    """Start LitGPT, or else TRL, on the rows in `folder`."""
    if name == "LitGPT":
        python, script = peer_python("litgpt", requirements=LITGPT), "_litgpt_loop.py"
    else:
        python, script = peer_python("trl", requirements=TRL), "_trl_loop.py"
    words = [python, SCRIPTS / script, folder / "rows.jsonl", base, folder / name, seed, setting, rate]
    return start(name, list(map(str, words)), scratch=folder)


def score(folder: Path, base: Path, names: list[str]) -> dict[str, float]:
    """Held-out loss of the base and of the model in each folder of this name."""
    python = peer_python("trl", requirements=TRL)
    models = [f"{name}={folder / name}" for name in names]
    words = [str(python), str(SCRIPTS / "_score_loop.py"), str(folder / "held-out.jsonl"), str(base), *models]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"scoring failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _outcome(
    runners: dict[str, Runner], floors: list[dict[str, float]], losses: dict[str, float], *, labelled: float
) -> Outcome:
    floor = max(found["own"] for found in floors)  # the machine's better moment
    table = {name: _row(runner, floor=floor, loss=losses[name]) for name, runner in runners.items()}
    ours = table["Luthier"]["tokens_per_second"]
    value: dict[str, Any] = {"tokens_per_second": ours, "share_of_floor": table["Luthier"]["share_of_floor"]}
    for name, row in table.items():
        say(
            f"{name}: {row['tokens_per_second']:.0f} tokens/s, {row['share_of_floor']:.1%} of the floor, "
            f"{row['peak_gib']:.2f} GiB, held-out loss {row['held_out_loss']:.4f}"
        )
        if not name.startswith("Luthier"):
            value[f"times {name}"] = round(ours / row["tokens_per_second"], 2)
            say(f"    Luthier is {value[f'times {name}']:.1f} times as fast")
    say(f"the untuned base: held-out loss {losses['base']:.4f}")
    return Outcome(
        holds=(
            value["share_of_floor"] >= SHARE
            and value["times TRL (defaults)"] >= TIMES_DEFAULTS
            and value["times TRL (best)"] >= TIMES_BEST
        ),
        value=value,
        bar=f">= {TIMES_DEFAULTS} x TRL's defaults, >= {TIMES_BEST} x TRL's best setting, >= {SHARE:.0%} of the floor",
        peer={name: row["tokens_per_second"] for name, row in table.items() if not name.startswith("Luthier")},
        detail={
            "loops": table,
            "floors": floors,
            "labelled_share": labelled,
            "base_loss": losses["base"],
            "floor": "4 N for each token that must be computed and 4 V d for each that carries loss, "
            "at the best bfloat16 rate of each of the model's own shapes",
        },
        versions=_versions(runners),
    )


def _row(runner: Runner, *, floor: float, loss: float) -> dict[str, Any]:
    return {
        "tokens_per_second": round(runner.speed, 1),
        "share_of_floor": round(runner.speed / floor, 3),
        "peak_gib": round(runner.peak / 2**30, 2),
        "held_out_loss": round(loss, 4),
        "tokens": runner.tokens,
        "speeds": runner.speeds,
        "cores_used_by_others": max(step.others for step in runner.steps),
        "facts": {key: value for key, value in runner.facts.items() if key not in {"event", "versions"}},
    }


def _versions(runners: dict[str, Runner]) -> dict[str, str]:
    return {
        f"{label} {each}": version
        for label, name in (("TRL's", "TRL (defaults)"), ("LitGPT's", "LitGPT"))
        for each, version in runners[name].facts["versions"].items()
    }


if __name__ == "__main__":
    run_bench("engine.t1", measure, about=__doc__)
