"""Work on the machines of a Ray cluster, which share a file system: results never travel through Ray."""

import logging
import os
import secrets
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import luthier
from luthier.compute.shards import Answers, Task
from luthier.errors import LuthierError, UserError

TRIES_MORE = 3
"""How often a task is tried again whose worker or machine died."""
HANDED_OUT = 1_000
"""Tasks that wait at the cluster at most: asking which of them are done takes time in proportion."""
OBJECTS = 80 << 20
"""Bytes of shared memory for a local cluster; Ray wants 75 MiB at least, and nothing of ours goes through it."""
PATIENCE = 10
"""Seconds in which the head of a cluster answers."""
QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}


@dataclass(frozen=True, slots=True)
class Cluster:
    """The machines of a Ray cluster, or a local one if the address is `auto` and none runs here."""

    address: str

    def run(self, job: Callable[[Task[Any]], None], tasks: Sequence[Task[Any]]) -> Answers:
        """See `Executor`. UserError if Ray is not installed or nobody answers; LuthierError if a task fails with
        one machine after another.
        """
        if not tasks:
            return
        with _joined(self.address) as ray:
            do, shared = ray.remote(num_cpus=1, max_retries=TRIES_MORE)(_do), ray.put(job)
            here = os.getcwd()
            handed_out = (do.remote(shared, task, luthier.__version__, here).future() for task in tasks)
            waiting = set(islice(handed_out, HANDED_OUT))
            while waiting:
                # Not ray.wait: it loses what a handler of signals raises.
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    _check(ray, future)
                waiting.update(islice(handed_out, len(finished)))
                yield from (None for _ in finished)


def _do(job: Callable[[Task[Any]], None], task: Task[Any], version: str, folder: str) -> None:
    """Do one task on a machine of the cluster, in the folder where the one who asks is."""
    if luthier.__version__ != version:
        raise UserError(
            f"{socket.gethostname()}: has Luthier {luthier.__version__}, the machine that asks has {version}. "
            "Install the same version on all machines of compute.cluster."
        )
    try:
        os.chdir(folder)
    except FileNotFoundError:
        raise UserError(
            f"{socket.gethostname()}: has no {folder}. All machines of compute.cluster must have the same folders "
            "under the same paths."
        ) from None
    job(task)


def _check(ray: Any, finished: Future[None]) -> None:
    """Raise what a task raised, as it was raised there."""
    try:
        finished.result()
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        said = str(error).splitlines()[0]
        raise LuthierError(
            f"the cluster could not finish a shard in {TRIES_MORE + 1} tries, as happens when memory runs out. What "
            f"was finished is kept: run the same command again. Ray says: {said}"
        ) from None


@contextmanager
def _joined(address: str) -> Iterator[Any]:
    """Ray, connected; a program that is connected already stays so."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Else Ray tries for ever what needs more memory than there is.
    os.environ.setdefault("RAY_task_oom_retries", str(TRIES_MORE))
    try:
        import ray
    except ImportError:
        raise UserError("compute.cluster needs Ray, which is not installed: pip install 'luthier[ray]'") from None
    if ray.is_initialized():
        yield ray
        return
    worker = ray._private.worker
    # Ray would print what its machines report into our standard output.
    worker._worker_logs_enabled = False
    try:
        with _handlers_kept():
            _join(ray, address)
        yield ray
    finally:
        ray.shutdown()
        worker._worker_logs_enabled = True


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Put back the handler of SIGTERM that Ray replaces: those who call us have a use for it."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is not handler:
            signal.signal(signal.SIGTERM, handler)


def _join(ray: Any, address: str) -> None:
    """Connect to `host:port`; `auto` is the cluster that RAY_ADDRESS or `ray start` named, else a new one."""
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or address
    found = ray._private.utils.read_ray_address() if address == "auto" else address
    if found is None or not _answers(found):
        if address == "auto":
            return _start(ray)
        raise UserError(
            f"compute.cluster: no Ray cluster answers at {address}. Give host:port of its head, as `ray start --head` "
            "printed it, on a machine that belongs to it."
        )
    try:
        ray.init(address=address, **QUIET)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise UserError(
            f"compute.cluster: cannot join the Ray cluster at {found}: {error}. If it asks for a token, set "
            "RAY_AUTH_MODE=token."
        ) from error


def _start(ray: Any) -> None:
    """Start a cluster of this machine alone, which ends with this process and listens on 127.0.0.1 only."""
    # Else Ray writes a token into the home folder, which from then on every cluster there would ask for.
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    constants = ray._private.ray_constants
    cluster_allowed = constants.ENABLE_RAY_CLUSTER
    # Else Ray takes 127.0.0.1 for a slip, and listens on every address of the machine.
    constants.ENABLE_RAY_CLUSTER = False
    try:
        ray.init(
            address="local", _node_ip_address="127.0.0.1", include_dashboard=False, object_store_memory=OBJECTS, **QUIET
        )
    finally:
        constants.ENABLE_RAY_CLUSTER = cluster_allowed


def _answers(address: str) -> bool:
    """True if somebody listens there: Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
    except (OSError, ValueError):
        return False
    return True
