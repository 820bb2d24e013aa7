"""Work on a Ray cluster: a machine that dies costs tries only, and a cluster of our own is nobody else's business."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from shard_work import Write, begun, bytes_of, is_alive, tasks

from luthier.compute.cluster import TRIES_MORE, Cluster
from luthier.compute.shards import HERE, run_shards
from luthier.errors import UserError

FOLDER = Path(__file__).parent


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a program of this folder. Paths of sockets must be short; other clusters and their token stay apart."""
    with tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as folder:

        def begin(program: str, *words: object) -> subprocess.Popen[str]:
            arguments = [sys.executable, str(FOLDER / program), str(tmp_path / "store"), str(tmp_path / "log")]
            return subprocess.Popen(
                [*arguments, *map(str, words)],
                env={**os.environ, "RAY_TMPDIR": folder, "RAY_ADDRESS": "", "HOME": str(tmp_path)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )

        yield begin


def test_a_cluster_that_loses_a_machine_writes_the_same_bytes(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    armed = tmp_path / "armed"
    armed.touch()
    told, noise = start("run_on_cluster.py", armed).communicate(timeout=120)
    lines = [json.loads(line) for line in told.splitlines()]
    cases = {case: outcome for line in lines for case, outcome in line.items()}
    assert "Traceback" not in noise
    assert cases["all"] == 30
    assert cases["killed at"] == [10]
    assert cases["refused"] == "UserError: row 5: cannot be read"
    assert cases["died"].startswith(f"LuthierError: the cluster could not finish a shard in {TRIES_MORE + 1} tries")
    assert cases["connected before"] == 30
    run_shards(Write(tmp_path / "other-log"), tasks(30), store=tmp_path / "expected", executor=HERE)
    assert bytes_of(tmp_path / "store") == bytes_of(tmp_path / "expected")
    assert bytes_of(tmp_path / "connected") == bytes_of(tmp_path / "expected")
    assert "key-5" not in {path.name for path in (tmp_path / "died").iterdir()}


def test_a_cluster_of_our_own_listens_here_only_and_ends_with_us(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    program, log = start("run_on_auto.py", 60), tmp_path / "log"
    while not begun(log):
        assert program.poll() is None, program.communicate()
        time.sleep(0.02)
    family = [psutil.Process(program.pid), *psutil.Process(program.pid).children(recursive=True)]
    places = [place for one in family for place in one.net_connections("inet") if place.status == psutil.CONN_LISTEN]
    assert len(places) >= 4
    assert {place.laddr.ip for place in places} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    program.send_signal(signal.SIGTERM)
    told, noise = program.communicate(timeout=30)
    assert (program.returncode, told) == (143, "")
    assert "Traceback" not in noise
    assert not (tmp_path / ".ray").exists()
    end = time.monotonic() + 20
    while any(is_alive(one.pid) for one in family):
        assert time.monotonic() < end, "something lives on"
        time.sleep(0.05)


def test_nobody_answers_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(UserError, match=f"no Ray cluster answers at {address}"):
        run_shards(Write(tmp_path / "log"), tasks(1), store=tmp_path / "store", executor=Cluster(address))
    monkeypatch.setenv("RAY_ADDRESS", "nonsense")
    with pytest.raises(UserError, match="no Ray cluster answers at nonsense"):
        run_shards(Write(tmp_path / "log"), tasks(1), store=tmp_path / "store", executor=Cluster("auto"))


def test_without_ray_the_way_to_get_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'luthier\[ray\]'"):
        run_shards(Write(tmp_path / "log"), tasks(1), store=tmp_path / "store", executor=Cluster("auto"))
    run_shards(Write(tmp_path / "log"), [], store=tmp_path / "store", executor=Cluster("auto"))
