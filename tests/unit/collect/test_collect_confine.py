"""Workers: what a process that reads a hostile file can do, and that it costs this file only."""

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from luthier.collect.config import CollectConfig
from luthier.collect.confine import Job, Reply, Workers, open_file
from luthier.collect.ledger import read_files
from luthier.collect.stage import collect
from luthier.collect.wire import WireError

EVIL = """
import ctypes, os, resource, signal, socket, subprocess, sys, threading
from pathlib import Path
from luthier.collect import registry, sandbox, worker
from luthier.records import Document, Row

registry.DOCUMENT_READERS["text"] = "evil_reader:read"
registry.ROW_READERS["tsv"] = "evil_reader:read_rows"
sandbox.MOST_CPU_SECONDS = 1
FOLDER = Path(__file__).parent


def attempt(deed):
    match deed:
        case "connect":
            socket.socket().connect(("127.0.0.1", 80))
        case "unix":
            socket.socketpair()
        case "write":
            (FOLDER / "written").write_text("x")
        case "append":
            os.open(FOLDER / "secret", os.O_WRONLY | os.O_APPEND)
        case "remove":
            (FOLDER / "secret").unlink()
        case "rename":
            (FOLDER / "secret").rename(FOLDER / "gone")
        case "folder":
            (FOLDER / "folder").mkdir()
        case "link":
            (FOLDER / "link").symlink_to("/")
        case "mode":
            (FOLDER / "secret").chmod(0o777)
        case "read":
            (FOLDER.parent / "elsewhere" / "secret").read_text()
        case "list":
            os.listdir(FOLDER.parent / "elsewhere")
        case "password":
            Path("/etc/passwd").read_text()
        case "environment":
            Path(f"/proc/{os.getppid()}/environ").read_bytes()
        case "fork":
            os.fork()
        case "run":
            subprocess.run(["/bin/true"], check=True)
        case "execute":
            os.execv("/bin/true", ["true"])
        case "kill":
            os.kill(os.getppid(), signal.SIGTERM)
        case "trace":
            if ctypes.CDLL(None, use_errno=True).ptrace(16, os.getppid(), 0, 0) < 0:
                raise PermissionError("ptrace")
        case "limits":
            resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))
        case "thread":
            thread = threading.Thread(target=lambda: None)
            thread.start()
            thread.join()
        case "own":
            import colorsys
        case "hang":
            signal.pause()
        case "spin":
            while True:
                pass
        case "eat":
            bytearray(3 << 30)
        case "crash":
            ctypes.string_at(0)
        case "abort":
            os.abort()
        case "leave":
            os._exit(0)
        case "raise":
            raise LookupError("odd")
        case "deep":
            attempt("deep")
        case "nonsense" | "frame":
            junk = b"nonsense" * 99 if deed == "nonsense" else b"\\x03" + (9).to_bytes(8, "big") + b"not arrow"
            for descriptor in range(3, 400):
                try:
                    os.write(descriptor, junk)
                except OSError:
                    continue


def read(source):
    text = source.path.read_text()
    try:
        attempt(text)
    except OSError as error:
        text = f"refused: {text}: {error}"
    long = "x" * (2 << 20) if text == "long" else ""
    yield Document(id="0" * 64, file=source.name, kind="text", title=source.stem, text=text + long)


def read_rows(source):
    yield Row(at="good.csv:2", line=2, values={"question": "Why?", "answer": "Evil."})
"""
IS_CONFINED = sys.platform == "linux" and os.uname().machine in {"x86_64", "aarch64"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("evil")
    (folder / "code").mkdir()
    (folder / "code" / "evil_reader.py").write_text(EVIL)
    (folder / "code" / "secret").write_text("secret")
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "secret").write_text("secret")
    sys.path.append(str(folder / "code"))
    yield folder
    sys.path.remove(str(folder / "code"))


@pytest.fixture(scope="module")
def workers(place: Path) -> Iterator[Workers]:
    with Workers(count=2, warm=["evil_reader"]) as pool:
        yield pool


def read(workers: Workers, place: Path, deed: str) -> Reply:
    path = place / "elsewhere" / "deed.txt"
    path.write_text(deed)
    with open_file(path) as file:
        return workers.read(Job(file, "deed.txt", len(deed)))


def text_of(reply: Reply) -> str:
    (document,) = reply.documents()
    reply.close()
    return document.text


@pytest.mark.skipif(not IS_CONFINED, reason="no seccomp here")
@pytest.mark.parametrize(
    "deed",
    [
        *("connect", "unix", "write", "append", "remove", "rename", "folder", "link", "mode", "read", "list"),
        *("password", "environment", "fork", "run", "execute", "kill", "trace", "limits"),
    ],
)
def test_a_worker_reaches_nothing(workers: Workers, place: Path, deed: str) -> None:
    reply = read(workers, place, deed)
    if deed in {"read", "list", "password", "environment"} and "Landlock" in reply.missing:
        pytest.skip("no Landlock here")
    assert text_of(reply).startswith(f"refused: {deed}")
    assert {path.name for path in (place / "code").iterdir()} - {"__pycache__"} == {"evil_reader.py", "secret"}


@pytest.mark.parametrize("deed", ["thread", "own", "nothing"])
def test_a_worker_can_do_what_readers_need(workers: Workers, place: Path, deed: str) -> None:
    assert text_of(read(workers, place, deed)) == deed


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        ("eat", "needs more than 1 GB of memory"),
        ("deep", "nested too deeply"),
        ("crash", r"the reader crashed \(SIGSEGV\)"),
        ("abort", r"the reader crashed \(SIGABRT"),
        ("leave", "the reader died"),
        ("raise", r"the reader stopped \(LookupError: odd\)"),
        ("spin", "too much time or memory"),
        ("nonsense", "message of an unknown kind or size"),
        ("long", "more than 1 MB of text"),
    ],
)
def test_a_reader_that_fails_costs_its_file(workers: Workers, place: Path, deed: str, reason: str) -> None:
    reply = read(workers, place, deed)
    reply.close()
    assert re.search(reason, reply.problem), reply.problem
    assert text_of(read(workers, place, "nothing")) == "nothing"


def test_a_document_that_is_none_is_not_believed(workers: Workers, place: Path) -> None:
    reply = read(workers, place, "frame")
    with pytest.raises(WireError, match="damaged table"):
        list(reply.documents())
    reply.close()


def test_rows_that_claim_to_stand_in_another_file_are_not_believed(workers: Workers, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("bad.tsv", "good.csv"):
        (tmp_path / "data" / name).write_text(f"question,answer\nWhy?,{name}.\n")
    config = CollectConfig(sources=["."], accept_losses=True)
    corpus = collect([tmp_path / "data"], config=config, out=tmp_path / "corpus", workers=workers)
    bad, good = read_files(corpus.file("files.parquet"))
    assert (bad.outcome, bad.reason, good.outcome) == ("failed", "the reader sent rows of another file", "ok")


def test_a_reader_that_hangs_is_ended(workers: Workers, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("luthier.collect.confine.MOST_WALL_SECONDS", 1)
    began = time.monotonic()
    reply = read(workers, place, "hang")
    reply.close()
    assert (reply.problem, time.monotonic() - began < 5) == ("took longer than 1 s", True)
    assert text_of(read(workers, place, "nothing")) == "nothing"


def test_leaving_ends_what_still_runs(place: Path) -> None:
    path = place / "elsewhere" / "hang.txt"
    path.write_text("hang")
    began = time.monotonic()
    with open_file(path) as file:
        with Workers(count=1, warm=["evil_reader"]) as pool:
            future = pool.submit(Job(file, "hang.txt", 4))
            time.sleep(0.5)
        reply = future.result()
        reply.close()
        assert reply.problem == "the reader died"
    assert time.monotonic() - began < 10


def test_a_dead_server_is_replaced(workers: Workers, place: Path) -> None:
    assert workers._server is not None
    for control in workers._idle:
        control.close()
    workers._idle.clear()
    workers._server.kill()
    workers._server.wait()
    assert text_of(read(workers, place, "nothing")) == "nothing"


def test_links_and_pipes_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError, match=r"."):
            open_file(tmp_path / name)
