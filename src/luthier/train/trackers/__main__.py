"""One tracker's process: what a run did comes in by lines of JSON, and what went wrong goes out.

python -m luthier.train.trackers NAME
"""

import os
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import orjson

from luthier.train.tracking import GROUP, Open, Run


def main(name: str) -> None:
    """Follow a run to the end of its lines."""
    voice = os.dup(1)
    os.dup2(2, 1)  # what the tool prints is not for our reader
    trouble = _trouble(name, lambda: _follow(name))
    os.write(voice, trouble.encode())


def _follow(name: str) -> None:
    lines: Any = sys.stdin.buffer
    about = orjson.loads(lines.readline())
    (entry,) = entry_points(group=GROUP, name=name)
    start: Open = entry.load()
    tracker = start(Run(**{**about, "folder": Path(about["folder"])}))
    for line in lines:
        step, values = orjson.loads(line)
        tracker.log(step, values)
    tracker.close()


def _trouble(name: str, work: Callable[[], None]) -> str:
    try:
        work()
    except ModuleNotFoundError as error:
        return f"needs '{error.name}', which is not installed: pip install 'luthier[{name}]'"
    except BaseException as error:  # a tracker that calls sys.exit must not go unnoticed, either
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    main(sys.argv[1])
