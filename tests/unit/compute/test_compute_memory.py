"""What may still be taken: the machine's memory, or less where a control group allows less."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from luthier.compute.memory import Memory, memory, most_resident

MEMINFO = "MemTotal:       1000 kB\nMemFree:        100 kB\nMemAvailable:   800 kB\n"


def root(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("groups", "found"),
    [
        ({}, Memory(1000 << 10, 800 << 10)),
        ({"a/b/memory.max": "max\n", "a/b/memory.current": "5\n"}, Memory(1000 << 10, 800 << 10)),
        ({"a/b/memory.max": "9000\n", "a/b/memory.current": "5000\n"}, Memory(9000, 4000)),
        # What lies in the page cache can be had, and a group above may allow less.
        (
            {
                "a/b/memory.max": "9000\n",
                "a/b/memory.current": "5000\n",
                "a/b/memory.stat": "anon 2000\ninactive_file 3000\n",
                "a/memory.max": "8000\n",
                "a/memory.current": "5500\n",
            },
            Memory(8000, 2500),
        ),
        ({"memory.max": "7000\n", "memory.current": "8000\n"}, Memory(7000, 0)),
    ],
)
def test_the_least_of_all_limits_counts(tmp_path: Path, groups: dict[str, str], found: Memory) -> None:
    files = {f"sys/fs/cgroup/{name}": text for name, text in groups.items()}
    assert memory(root(tmp_path, {"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/a/b\n", **files})) == found


def test_a_machine_that_does_not_tell(tmp_path: Path) -> None:
    assert memory(tmp_path) is None


def test_the_most_that_was_held_is_this_programs_own() -> None:
    """A child that is small stays so, whoever started it."""
    held = np.ones(40 << 20)
    words = "from luthier.compute.memory import most_resident, resident; print(resident(), most_resident())"
    told = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True).stdout
    now, most = map(int, told.split())
    assert 0 < now <= most < held.nbytes // 2 < most_resident()
