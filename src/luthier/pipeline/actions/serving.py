"""Serve a run on loopback for as long as somebody asks."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from luthier.errors import UserError
from luthier.evaluate.config import Served
from luthier.pipeline.project import Project

PATIENCE = 60.0
"""Seconds that a server may take to stop."""


@contextmanager
def serving(project: Project) -> Iterator[Served]:
    """Serve the project's run on a free port in a process of its own; UserError if it does not come up."""
    command = [sys.executable, "-m", "luthier.cli.main", "serve", str(project.folder), "--port", "0", "--json"]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as told,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, stdin=subprocess.DEVNULL, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                told.seek(0)
                raise UserError(f"{project.folder}: cannot be served ({told.read().strip()})")
            yield _served(json.loads(line), project)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _served(found: dict[str, object], project: Project) -> Served:
    names = [str(name) for name in found["models"]] if isinstance(found["models"], list) else []
    bases = [name for name in names if name != project.config.name]
    if not bases:
        raise UserError(f"{project.folder}: the run has the name of its base. Give it another name: in {project.file}")
    return Served(str(found["address"]), base=bases[0], tuned=project.config.name, home=project.home)
