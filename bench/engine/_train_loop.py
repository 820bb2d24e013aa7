"""The train stage in a process of its own: seconds to the first step, and peak memory.

    python -m bench.engine._train_loop DATASET BASE OUT SETTINGS STEPS

Trains with `SETTINGS`, a JSON object, and stops after STEPS steps; 0: never. Prints one JSON object.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from bench.engine._gate import peak_memory

from luthier.artifacts.folders import DatasetDir
from luthier.models.bases import resolve_base
from luthier.records import Tick
from luthier.train.config import TrainConfig
from luthier.train.stage import train


class EnoughError(Exception):
    """The steps that were asked for are done."""


def main() -> None:
    """Train, and say what it took."""
    dataset, out = DatasetDir.open(Path(sys.argv[1])), Path(sys.argv[3])
    base = resolve_base(sys.argv[2], relative_to=Path())
    settings, wanted = json.loads(sys.argv[4]), int(sys.argv[5])
    peaks: list[int] = []
    found: dict[str, Any] = {}

    def hear(tick: Tick) -> None:
        if tick.stage != "train" or not tick.total:
            return
        found.setdefault("first_step", since_start())
        peaks.append(peak_memory())
        if len(peaks) == wanted:
            raise EnoughError

    try:
        model = train(dataset, base=base, config=TrainConfig.model_validate(settings), out=out, listener=hear)
    except EnoughError:
        pass
    else:
        found["estimate"] = json.loads((model.path / "notes" / "memory.json").read_bytes())
        found["choices"] = {name: row["value"] for name, row in model.manifest.facts["choices"].items()}
    print(json.dumps({**found, "steps": len(peaks), "peaks": peaks, "peak": peak_memory()}))


def since_start() -> float:
    """Seconds since this process was started."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    began = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began


if __name__ == "__main__":
    main()
