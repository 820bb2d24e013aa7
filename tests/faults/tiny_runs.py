"""Tiny training runs in processes that can be killed, stopped and starved.

Run as a script it is a server: it loads everything once and forks a child for every job, so that a thousand kills take
minutes. A job is one JSON object: site (folder with base and dataset), name of the run, settings, and what goes wrong.
"""

import gc
import json
import mmap
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).resolve().parent
PLACES = [HERE, HERE.parent / "unit", HERE.parent / "unit" / "train"]
sys.path[:0] = [str(place) for place in PLACES if str(place) not in sys.path]
SETTINGS = {"epochs": 0.8}
PATIENCE = 120.0
"""Seconds that a child may take before it counts as hanging."""


@dataclass(frozen=True, slots=True)
class Site:
    """A folder with a tiny base and a dataset, and runs beside them."""

    folder: Path
    settings: dict[str, Any]

    def training(self) -> Any:
        """The training that is run here, for use in this process."""
        from trainings import Training

        from luthier.artifacts.folders import DatasetDir
        from luthier.models.bases import resolve_base

        base = resolve_base("base", relative_to=self.folder)
        return Training(self.folder, base, DatasetDir.open(self.folder / "dataset"), **self.settings)

    def result(self, name: str) -> dict[str, str]:
        """Hashes of all that a finished run must have in common with an unbroken one."""
        return result_of(self.folder / name)


def result_of(run: Path) -> dict[str, str]:
    """Hashes of the model's files, and of state and history in the last checkpoint."""
    from trainings import content

    from luthier.artifacts.folders import ModelDir

    found = {file: sha256(data).hexdigest() for file, data in content(ModelDir.open(run / "model")).items()}
    last = max(run.glob("training/*/checkpoints/step-*"))
    files = json.loads((last / "manifest.json").read_text())["files"]
    return found | {f"{last.name}/{file}": entry["sha256"] for file, entry in files.items()}


def make_site(folder: Path, objective: str = "chat", kind: str = "llama", **settings: Any) -> Site:
    """Write a base and a dataset."""
    from tiny_bases import write_base, write_tiny_tokenizer
    from trainings import write_dataset

    from luthier.models.bases import resolve_base

    write_base(write_tiny_tokenizer(folder / "base"), kind=kind)
    write_dataset(folder / "dataset", resolve_base("base", relative_to=folder), objective)
    return Site(folder, {**SETTINGS, **settings})


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended."""

    code: int
    """Negative: the number of the signal that ended it."""
    told: str
    phase: str
    """What it was doing last."""
    seconds: float


class Child:
    """A job that is running."""

    def __init__(self, server: "Server", job: dict[str, Any]) -> None:
        self.server = server
        self.mark = server.folder / "mark"
        self.mark.write_bytes(bytes(8))
        self.log = server.folder / "log"
        self.began = time.monotonic()
        server.write({**job, "mark": str(self.mark), "log": str(self.log)})
        self.pid = int(server.read()["pid"])

    def phase(self) -> int:
        """Index into `phases.PHASES`."""
        return self.mark.read_bytes()[0]

    def wait_for(self, phase: int) -> bool:
        """Wait until it does this; False if it ended before."""
        while self.phase() != phase:
            if self.server.ended(0.0002):
                return False
        return True

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal, unless it has ended."""
        if not self.server.ended(0.0):
            os.kill(self.pid, number)

    def wait(self) -> Ended:
        """Until it ends."""
        from phases import PHASES

        if not self.server.ended(PATIENCE):
            os.kill(self.pid, signal.SIGKILL)
            self.server.read()
            raise TimeoutError(f"a child hung in {PHASES[self.phase()]}: {self.log.read_text()[-2000:]}")
        code = int(self.server.read()["code"])
        told = self.log.read_text(errors="replace")
        return Ended(code, told, PHASES[self.phase()], time.monotonic() - self.began)


class Server:
    """Client of a server process; one job at a time. `before`: words to run it under."""

    def __init__(self, folder: Path, before: tuple[str, ...] = ()) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        path = os.pathsep.join([*map(str, PLACES), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
        self.process = subprocess.Popen(
            [*before, sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        self.read()

    def write(self, line: dict[str, Any]) -> None:
        """Send one line."""
        self._pipe(self.process.stdin).write(json.dumps(line).encode() + b"\n")
        self._pipe(self.process.stdin).flush()

    def read(self) -> dict[str, Any]:
        """Wait for one line."""
        line = self._pipe(self.process.stdout).readline()
        if not line:
            raise RuntimeError(f"the server of tiny runs ended with {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ended(self, seconds: float) -> bool:
        """Whether the child has ended, within so many seconds."""
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def start(self, site: Site, name: str, **trouble: Any) -> Child:
        """Begin a run, or go on with it."""
        return Child(self, {"site": str(site.folder), "settings": site.settings, "name": name, **trouble})

    def run(self, site: Site, name: str, **trouble: Any) -> Ended:
        """Run to its end."""
        return self.start(site, name, **trouble).wait()

    def close(self) -> None:
        """End the server."""
        self._pipe(self.process.stdin).close()
        self._pipe(self.process.stdout).close()
        self.process.wait()

    def _pipe(self, pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None
        return pipe


def serve() -> None:
    """Fork a child for every line of stdin; whatever children need is loaded before."""
    import phases  # noqa: F401
    import torch
    import transformers.models.llama.modeling_llama  # noqa: F401
    import trouble  # noqa: F401
    from trainings import SMALL_REPLAY

    import luthier.cli.main  # noqa: F401
    from luthier.train import replay

    for name, value in SMALL_REPLAY.items():
        setattr(replay, name, value)
    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()
    print("{}", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os._exit(work(job))
        print(json.dumps({"pid": pid}), flush=True)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), flush=True)


def work(job: dict[str, Any]) -> int:
    """Train as the job says; the exit code."""
    import phases
    import trouble

    from luthier.cli.main import _stop
    from luthier.errors import LuthierError

    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    with Path(job["mark"]).open("r+b") as stream:
        phases.show(mmap.mmap(stream.fileno(), 8))
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    listener: Callable[..., None] = trouble.arm(job)
    try:
        training = Site(Path(job["site"]), job["settings"]).training()
        training.home = Path(job.get("home", job["site"]))
        training.run(job["name"], listener=listener)
        if "result" in job:
            Path(job["result"]).write_text(json.dumps(result_of(training.home / job["name"])))
    except LuthierError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        return error.exit_code
    except BaseException:
        traceback.print_exc()
        return 99
    return 0


if __name__ == "__main__":
    serve()
