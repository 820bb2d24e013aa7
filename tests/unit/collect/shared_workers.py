"""Workers that all tests of a process share: to start some takes longer than to read most files."""

import atexit
from functools import cache

from luthier.collect.confine import Workers, modules_for


@cache
def shared_workers(count: int = 2) -> Workers:
    """So many of them, with the usual readers loaded; they end with this process."""
    workers = Workers(
        count=count, warm=modules_for(["a.md", "a.html", "a.eml", "a.csv", "a.json", "a.jsonl", "a.xlsx"])
    )
    atexit.register(workers.__exit__, None, None, None)
    return workers
