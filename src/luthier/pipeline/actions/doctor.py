"""Is this machine fit for a run?"""

import importlib.metadata as metadata
import os
import platform
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import luthier
from luthier.compute.memory import memory
from luthier.config import cache_home, hub_allowed
from luthier.models.bases import cached_folder
from luthier.models.registry import REGISTRY
from luthier.pipeline.actions.shown import Shown
from luthier.records import Listener, Tick, nobody_listens

LIBRARIES = ("torch", "transformers", "tokenizers", "pyarrow", "pydantic", "fastapi")
FEWEST_GIB = {"memory": 3.0, "disk": 3.0}
"""Free GiB that the default base needs for training and for its files."""


def examine(*, listener: Listener = nobody_listens) -> Shown:
    """Versions, cores, memory, disk, measured speed and the cache; not well if a run could not work."""
    values: dict[str, Any] = {
        "luthier": luthier.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": _memory_gib(),
        "disk_gib": round(shutil.disk_usage(_existing(cache_home())).free / 2**30, 1),
        "cache": str(cache_home()),
        "hub": "allowed" if hub_allowed() else "offline (HF_HUB_OFFLINE)",
        "bases": {name: "cached" if cached_folder(name).is_dir() else "not fetched yet" for name in REGISTRY},
    }
    listener(Tick("doctor", 0, 0, "measuring matrix multiplication"))
    values["speed"] = _speed()
    values["problems"] = problems = _problems(values)
    return Shown(values, _words(values), well=not problems)


def _memory_gib() -> dict[str, float]:
    found = memory()
    return {} if found is None else {name: round(size / 2**30, 1) for name, size in asdict(found).items()}


def _problems(values: dict[str, Any]) -> list[str]:
    found = []
    available = values["memory_gib"].get("available", FEWEST_GIB["memory"])
    if available < FEWEST_GIB["memory"]:
        found.append(
            f"{available} GiB of memory are free and training needs about {FEWEST_GIB['memory']}: close programs"
        )
    if values["disk_gib"] < FEWEST_GIB["disk"]:
        found.append(
            f"{values['disk_gib']} GiB of disk are free at {values['cache']}; set LUTHIER_HOME to a larger disk"
        )
    if not os.access(_existing(cache_home()), os.W_OK):
        found.append(f"{values['cache']} cannot be written; set LUTHIER_HOME to a folder of yours")
    return found


def _words(values: dict[str, Any]) -> str:
    lines = []
    for name, value in values.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {inner}" for key, inner in value.items())
        if name != "problems":
            lines.append(f"{name:<13} {value}")
    return "\n".join([*lines, *(f"problem: {text}" for text in values["problems"])] or lines)


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _speed() -> str:
    from luthier.models.machine import faster_dtype

    return faster_dtype()[1]
