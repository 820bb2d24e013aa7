"""Where the fault harness lies: `tests/faults`, and the tiny runs that it breaks."""

import sys

from bench.record import ROOT

sys.path[:0] = [str(ROOT / "tests" / "faults"), str(ROOT / "tests" / "unit"), str(ROOT / "tests" / "unit" / "train")]
