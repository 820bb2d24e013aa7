"""What a run worked out once and needs again, unchanged, when it goes on: plain data in a file under its hash."""

from pathlib import Path
from typing import Any

import orjson

from luthier.artifacts.canonical import sha256_of
from luthier.artifacts.storage import explain_disk, write_atomic
from luthier.records import Listener, Tick


def keep(path: Path, value: Any) -> None:
    """Write plain data, durable before this returns."""
    with explain_disk(path):
        write_atomic(path, orjson.dumps({"sha256": sha256_of(value), "value": value}))


def read_kept(path: Path, *, listener: Listener) -> Any:
    """The data that was kept, or None if nothing was. What is damaged counts as nothing, and the listener is told."""
    if not path.exists():
        return None
    try:
        whole = orjson.loads(path.read_bytes())
        if sha256_of(whole["value"]) != whole["sha256"]:
            raise ValueError("it changed since it was written")
    except (ValueError, KeyError, TypeError) as error:
        listener(Tick("train", 0, 0, f"{path} is damaged ({error}): what it held is worked out anew"))
        return None
    return whole["value"]
