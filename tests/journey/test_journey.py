"""A folder of files to a served reply, on the real default model, through the command line only."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import openai
import pyarrow.parquet as pq
import pytest

LUTHIER = str(Path(sys.executable).parent / "luthier")
EXAMPLE = Path(__file__).parents[2] / "examples" / "medical-coding"
SHORT = [
    "train.epochs=0.03",
    "train.replay=0.0",
    "train.scale=1.0",
    "prepare.split.items_per_group=1",
    "prepare.split.exam=0.03",
    "prepare.split.validation=0.01",
    "evaluate.general_texts=12",
    "evaluate.general_items=0",
    "evaluate.arms=pair",
]
"""The example, cut to a minute: too little to learn the task, enough to go the whole way."""


def luthier(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LUTHIER, *arguments], capture_output=True, text=True, check=False)


def run_example(out: Path, *settings: str, file: str = "luthier.yaml") -> dict[str, str]:
    sets = [word for setting in settings for word in ("--set", setting)]
    done = luthier("run", str(EXAMPLE / file), "--out", str(out), "--json", *sets)
    assert done.returncode == 0, done.stderr
    last: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return last


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return run_example(tmp_path_factory.mktemp("runs"), *SHORT)


@pytest.fixture(scope="module")
def client(finished: dict[str, str]) -> Iterator[openai.OpenAI]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [LUTHIER, "serve", finished["run"], "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="unused", max_retries=0) as client:
        for _ in range(240):
            try:
                client.models.list()
                break
            except openai.APIConnectionError:
                assert server.poll() is None, "the server ended by itself"
                time.sleep(0.25)
        yield client
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=60)


def answers_of(finished: dict[str, str], arm: str) -> dict[str, str]:
    rows = pq.ParquetFile(Path(finished["report"]).parent / "answers.parquet").read().to_pylist()
    return {row["item"]: row["text"] for row in rows if row["arm"] == arm}


def items_of(finished: dict[str, str]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.ParquetFile(Path(finished["run"]) / "exam" / "items.parquet").read().to_pylist()
    return rows


@pytest.mark.slow
def test_run_ends_with_a_verdict_and_evidence_that_verifies(finished: dict[str, str]) -> None:
    assert finished["verdict"] in {"SHIP", "DON'T SHIP", "INCONCLUSIVE"}
    evidence = json.loads(Path(finished["evidence"]).read_bytes())
    assert evidence["format"] == "luthier.evidence/1"
    assert len(items_of(finished)) >= 30
    assert luthier("verify", finished["run"]).returncode == 0


@pytest.mark.slow
def test_a_second_run_has_nothing_to_do(finished: dict[str, str]) -> None:
    start = time.monotonic()
    again = run_example(Path(finished["run"]).parent, *SHORT)
    assert again == finished
    assert time.monotonic() - start < 20


@pytest.mark.slow
def test_server_answers_as_the_exam_recorded(finished: dict[str, str], client: openai.OpenAI) -> None:
    [tuned, *_] = [model.id for model in client.models.list() if "medical-coding" in model.id]
    recorded = answers_of(finished, "tuned")
    for item in items_of(finished)[:5]:
        messages = [{"role": turn["role"], "content": turn["content"]} for turn in item["messages"]]
        asked = {"model": tuned, "messages": messages, "temperature": 0, "max_tokens": 48}
        whole = client.chat.completions.create(**asked).choices[0].message.content
        pieces = client.chat.completions.create(**asked, stream=True)
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == whole
        expected = recorded[str(item["id"])]
        assert whole == expected or (whole or "").startswith(expected), "the exam may cut an endless answer, no more"


@pytest.mark.slow
def test_ask_words_the_question_as_the_exam_did(finished: dict[str, str]) -> None:
    item = items_of(finished)[0]
    question = str(item["messages"][-1]["content"]).split("\n", 1)[1].strip()
    done = luthier("ask", finished["run"], question, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])["answer"]
    assert answer.startswith(answers_of(finished, "tuned")[str(item["id"])])


@pytest.mark.slow
def test_a_killed_run_continues_to_the_same_bytes(tmp_path: Path) -> None:
    file = EXAMPLE / "classify.yaml"
    short = ["train.epochs=0.4", "train.checkpoint_minutes=0.01", "evaluate.arms=pair"]
    whole = run_example(tmp_path / "whole", *short, file=file.name)
    sets = [word for setting in short for word in ("--set", setting)]
    command = [LUTHIER, "run", str(file), "--out", str(tmp_path / "killed"), *sets]
    for seconds in (6.0, 9.0):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ))
        time.sleep(seconds)
        process.kill()
        process.wait()
    again = run_example(tmp_path / "killed", *short, file=file.name)
    for name in ("model/adapter_model.safetensors", "report/evidence.json", "report/report.html"):
        assert (Path(again["run"]) / name).read_bytes() == (Path(whole["run"]) / name).read_bytes(), name
