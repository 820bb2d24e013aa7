"""T1: training speed of the demo's loop on the standard rows, alternating with TRL's SFTTrainer on the same machine.

LoRA r = 16 on all linear layers of SmolLM2-135M, 96 conversations of 190 tokens on average, a third of them answer.
Real tokens per second over steady steps: loading, the first step and padding do not count.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.engine._rows import standard_rows, write_rows
from bench.peers import peer_python
from bench.record import ROOT, Asked, Outcome, run_bench, say

from luthier.models.bases import resolve_base
from luthier.models.chat import load_wording
from luthier.records import Message

BAR = 200
"""Real tokens per second."""
BASE = "smollm2-135m"
ROWS = 96
TRL = ("trl==1.16.0", "torch==2.13.0", "transformers==5.23.0", "peft==0.21.2", "accelerate==1.15.0")
STEPS = {"luthier": 8, "defaults": 2, "best": 2}
"""Timed steps of one round."""
NOISE = 0.2
"""Cores that others may use before a round counts as disturbed."""
Found = dict[str, list[dict[str, Any]]]


def measure(asked: Asked) -> Outcome:
    """Three alternating rounds; the quick form is one short round without TRL."""
    base = resolve_base(BASE, relative_to=Path())
    python = None if asked.quick else peer_python("trl", requirements=TRL)
    found: Found = {name: [] for name in STEPS}
    with tempfile.TemporaryDirectory() as folder:
        rows = _write(Path(folder) / "rows.jsonl", base.folder, seed=asked.seed)
        for number in range(1 if asked.quick else 3):
            steps = 2 if asked.quick else STEPS["luthier"]
            ours = [sys.executable, "-m", "bench.engine._luthier_loop", str(rows), str(steps), str(asked.seed)]
            _note(found, "luthier", ours, number)
            # Its best setting is beside the bar, so once is enough.
            for setting in (("defaults", "best") if number == 0 else ("defaults",)) if python else ():
                script = str(ROOT / "bench" / "engine" / "_trl_loop.py")
                words = [str(rows), str(base.folder), str(STEPS[setting]), str(asked.seed), setting]
                _note(found, setting, [str(python), script, *words], number)
    return _outcome(found)


def _write(path: Path, base: Path, *, seed: int) -> Path:
    wording = load_wording(base)
    rows = standard_rows(ROWS, seed=seed, wording=wording)
    write_rows(path, rows)
    worded = [
        wording.chat_ids([Message("user", row[0]["content"]), Message("assistant", row[1]["content"])]) for row in rows
    ]
    lengths = [len(row.ids) for row in worded]
    share = sum(sum(row.trained) for row in worded) / sum(lengths)
    mean = statistics.mean(lengths)
    say(f"{ROWS} rows, {mean:.0f} tokens on average ({min(lengths)} to {max(lengths)}), {share:.0%} answer")
    return path


def _note(found: Found, name: str, words: list[str], number: int) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    before = _others()
    began = time.perf_counter()
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    others = (_others() - before) / (time.perf_counter() - began)
    if done.returncode != 0:
        raise RuntimeError(f"{name} failed:\n{done.stderr[-2000:]}")
    result = json.loads(done.stdout.strip().splitlines()[-1])
    result |= {"speed": result["tokens"] / result["seconds"], "cores_used_by_others": round(others, 2)}
    found[name].append(result)
    say(f"round {number + 1}, {_named(name)}: {result['speed']:.0f} tokens/s over {result['seconds']:.0f} s")
    if "reasons" in result:
        say(f"    {result['reasons']['dtype']}; {result['reasons']['forward']}")
    if others > NOISE:
        say(f"    other processes used {others:.1f} cores meanwhile: this round says little")


def _others() -> float:
    """Seconds of processor time that this machine spent so far, without our own children."""
    fields = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:]
    user, nice, system = (int(field) / os.sysconf("SC_CLK_TCK") for field in fields[:3])
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    return user + nice + system - ours.ru_utime - ours.ru_stime


def _outcome(found: Found) -> Outcome:
    speeds = {name: [each["speed"] for each in rounds] for name, rounds in found.items() if rounds}
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    ours = medians["luthier"]
    floor = statistics.median(each["floor"] for each in found["luthier"])
    say(f"Luthier {ours:.0f} tokens/s: {ours / floor:.0%} of the matrix-multiply floor of {floor:.0f} tokens/s")
    for name in ("defaults", "best"):
        if name in medians:
            say(f"{ours / medians[name]:.1f} times {_named(name)} ({medians[name]:.0f} tokens/s)")
    versions = found["defaults"][0]["versions"] if found["defaults"] else {}
    rounds = {name: [{**each, "versions": None} for each in made] for name, made in found.items()}
    return Outcome(
        holds=ours >= BAR,
        value=round(ours, 1),
        bar=f">= {BAR} real tokens/s",
        peer=round(medians["defaults"], 1) if "defaults" in medians else None,
        detail={"speeds": speeds, "share_of_floor": ours / floor, "rounds": rounds},
        versions={f"trl's {name}" if name != "trl" else name: version for name, version in versions.items()},
    )


def _named(name: str) -> str:
    return "Luthier" if name == "luthier" else f"TRL ({name})"


if __name__ == "__main__":
    run_bench("engine.t1", measure, about=__doc__)
