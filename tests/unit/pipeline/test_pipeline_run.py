import json
import os
import shutil
import signal
import subprocess
import sys
from contextvars import Context
from pathlib import Path

import pytest

from luthier.artifacts.folders import DatasetDir, ExamDir, building
from luthier.artifacts.lock import run_lock
from luthier.artifacts.rows import read_items, read_worded, write_worded
from luthier.artifacts.tables import read_table
from luthier.cli.main import _stop
from luthier.errors import ConflictError, NotFoundError, StoppedError, UserError
from luthier.evaluate.looks import read_ledger
from luthier.evaluate.report.evidence import read_evidence
from luthier.pipeline.actions.show import show_exam
from luthier.pipeline.plan import plan
from luthier.pipeline.project import open_project
from luthier.pipeline.run import run
from luthier.records import Tick

STAGES = ("collect", "prepare", "train", "evaluate")
KINDS = ("corpus", "dataset", "exam", "model", "report")
chat_only = pytest.mark.parametrize("objective", ["chat"], indirect=True)


def ran(told: list[str]) -> list[str]:
    return [line.partition(":")[0] for line in told if ": runs (" in line]


def digests(folder: Path) -> dict[str, str]:
    return {kind: json.loads((folder / kind / "manifest.json").read_bytes())["digest"] for kind in KINDS}


def run_again(file: Path, *overrides: str) -> list[str]:
    told: list[str] = []
    run(file, overrides=overrides, tell=told.append)
    return ran(told)


def test_a_run_goes_from_files_to_a_verdict_and_a_second_one_does_nothing(project_file: Path) -> None:
    result = run(project_file)
    assert result.verdict in {"SHIP", "DON'T SHIP", "INCONCLUSIVE"}
    assert result.report is not None
    assert result.report.is_file()
    before = digests(result.run)
    times = {kind: (result.run / kind).stat().st_mtime_ns for kind in KINDS}
    assert run_again(project_file) == []
    assert digests(result.run) == before
    assert {kind: (result.run / kind).stat().st_mtime_ns for kind in KINDS} == times
    assert len((result.run / "looks.jsonl").read_text().splitlines()) == 2  # the look and its result
    assert read_evidence(result.evidence)["frozen_plan"]["changed"] == {}


def test_equal_input_gives_equal_bytes_wherever_it_lies(finished_file: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for path in (tmp_path / "data", tmp_path / "tiny-base"):
        shutil.copytree(path, moved / path.name)
    shutil.copy(finished_file, moved / "other.yaml")
    first, second = run(finished_file), run(moved / "other.yaml", out=tmp_path / "out")
    assert digests(first.run) == digests(second.run)


@chat_only
def test_a_changed_setting_runs_what_depends_on_it_and_changing_back_runs_nothing(finished_file: Path) -> None:
    assert run_again(finished_file, "evaluate.alpha=0.02") == ["evaluate"]
    evidence = read_evidence(finished_file.parent / "runs" / "small" / "report" / "evidence.json")
    assert evidence["frozen_plan"]["changed"] == {"alpha": [0.025, 0.02]}
    assert "The plan was changed after training began: alpha was 0.025, is 0.02." in evidence["verdict"]["caveats"]
    assert run_again(finished_file, "evaluate.alpha=0.02", "train.epochs=2") == ["train", "evaluate"]
    assert run_again(finished_file) == []


@chat_only
def test_a_changed_file_runs_everything_again_and_an_untouched_copy_nothing(finished_file: Path) -> None:
    data = finished_file.parent / "data" / "rows.csv"
    data.write_bytes(data.read_bytes())
    assert run_again(finished_file) == []
    with data.open("a") as stream:
        stream.write("thing 21 0,yes,t21\n")
    assert run_again(finished_file) == list(STAGES)


@chat_only
def test_the_plan_says_what_a_run_does_and_writes_nothing(project_file: Path, tmp_path: Path) -> None:
    steps = plan(open_project(project_file))
    assert [(step.stage, step.runs) for step in steps] == [(stage, True) for stage in STAGES]
    assert steps[0].reason == "nothing there yet"
    assert not (tmp_path / "runs").exists()


@chat_only
def test_the_plan_of_a_finished_run_names_what_changed(finished_file: Path) -> None:
    assert not any(step.runs for step in plan(open_project(finished_file)))
    changed = plan(open_project(finished_file, overrides=["train.epochs=2"]))
    assert [step.stage for step in changed if step.runs] == ["train", "evaluate"]
    assert "epochs was 1.0, is 2" in changed[2].reason
    run(finished_file, overrides=["train.epochs=2"])
    # What was replaced counts as finished: a run would bring it back.
    assert not any(step.runs for step in plan(open_project(finished_file)))


@chat_only
def test_one_stage_runs_alone_and_names_what_it_lacks(project_file: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="luthier collect"):
        run(project_file, only="train")
    for stage, kind in zip(STAGES, ("corpus", "exam", "model", "report"), strict=True):
        assert run(project_file, only=stage).made == tmp_path / "runs" / "small" / kind
    assert run_again(project_file) == []
    with pytest.raises(NotFoundError, match=r"settings changed: split\.seed was 0, is 1[\s\S]*luthier prepare"):
        run(project_file, only="train", overrides=["prepare.split.seed=1"])


@chat_only
def test_a_run_folder_carries_its_settings(finished_file: Path, tmp_path: Path) -> None:
    assert run_again(finished_file, "evaluate.alpha=0.02") == ["evaluate"]
    finished_file.unlink()
    assert run_again(tmp_path / "runs" / "small") == []


@chat_only
def test_two_processes_do_not_share_a_run(project_file: Path, tmp_path: Path) -> None:
    with run_lock(tmp_path / "runs" / "small"), pytest.raises(ConflictError, match=f"process {os.getpid()} works"):
        Context().run(run, project_file)


@chat_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stage", STAGES)
def test_a_signal_in_any_stage_leaves_nothing_half_made(
    finished_file: Path, tmp_path: Path, stage: str, number: signal.Signals
) -> None:
    names = {"evaluate": {"answer", "likelihood"}}.get(stage, {stage})
    sent = []

    def listen(tick: Tick) -> None:
        if tick.stage in names and not sent and (tick.done or stage != "train"):
            sent.append(tick)
            signal.raise_signal(number)

    before = signal.signal(signal.SIGTERM, _stop)
    try:
        with pytest.raises((KeyboardInterrupt, StoppedError)) as stopped:
            run(finished_file, out=tmp_path / "out", listener=listen)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert sent
    assert getattr(stopped.value, "exit_code", 130) == 128 + number
    folder = tmp_path / "out" / "small"
    assert list(folder.glob(".building-*")) == []
    finished = [kind for kind in KINDS if (folder / kind).exists()]
    assert all((folder / kind / "manifest.json").is_file() for kind in finished)
    assert digests(run(finished_file, out=tmp_path / "out").run) == digests(tmp_path / "runs" / "small")


def plant(project_file: Path, folder: Path) -> None:
    """Copy the exam's first item into the training rows, with a manifest that agrees."""
    dataset = DatasetDir.open(folder / "dataset")
    rows = read_worded(dataset.file("train.parquet"))
    item = read_items(ExamDir.open(folder / "exam").file("items.parquet"))[0]
    leaked = [
        *rows[1:],
        type(rows[0])(**{**{name: getattr(rows[0], name) for name in rows[0].__slots__}, "group": item.document}),
    ]
    manifest = dataset.manifest
    with building(
        dataset.path, DatasetDir, key=manifest.key, settings=manifest.settings, inputs=manifest.inputs
    ) as draft:
        for name in manifest.files:
            shutil.copy(dataset.path / name, draft.path / name)
        write_worded(draft.path / "train.parquet", leaked)
        draft.counts.update(manifest.counts)
        draft.facts.update(manifest.facts)


def test_a_planted_leak_stops_the_run_before_training(finished_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "small"
    shutil.rmtree(folder / "model")
    plant(finished_file, folder)
    with pytest.raises(UserError, match="leaks into training"):
        run(finished_file)
    assert not (folder / "model").exists()


@chat_only
def test_changed_bytes_in_a_finished_folder_are_made_again(finished_file: Path) -> None:
    folder = run(finished_file).run
    before = digests(folder)
    (folder / "model" / "adapter_model.safetensors").write_bytes(b"junk")
    assert run_again(finished_file) == ["train"]
    assert digests(folder) == before


@pytest.mark.parametrize("objective", ["classify"], indirect=True)
def test_an_encoder_cannot_chat(project_file: Path) -> None:
    with pytest.raises(UserError, match="needs a decoder"):
        run(project_file, overrides=["objective=chat"])


@chat_only
@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("trian.epochs=1", "Did you mean 'train'"),
        ("train.epochs=many", "train.epochs"),
        ("name=a/b", "letters, digits"),
        ("objective=dream", "Choose one of: complete, chat, "),
        ("base=gpt-9", "is not known"),
        ("collect.sources=[nowhere]", "nowhere"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_made(
    project_file: Path, tmp_path: Path, override: str, words: str
) -> None:
    with pytest.raises((UserError, NotFoundError), match=words):
        run(project_file, overrides=[override])
    assert list((tmp_path / "runs").glob("*/*/manifest.json")) == []


def confined(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script in its own user and mount namespace; skips where the kernel forbids that."""
    probe = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("this kernel gives no user namespaces, so no small disk can be mounted")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = ["unshare", "-rm", "sh", "-c", script, "sh", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@chat_only
@pytest.mark.parametrize("size", ["8k", "64k"])
def test_a_full_disk_is_told_and_leaves_nothing_half_made(project_file: Path, tmp_path: Path, size: str) -> None:
    """Where training begins it pauses instead: tests/faults."""
    out = tmp_path / "small-disk"
    out.mkdir()
    script = (
        'mount -t tmpfs -o size="$1" tmpfs "$2" || exit 99; '
        '"$3" -m luthier.cli.main run "$4" --out "$2"; code=$?; find "$2" -name ".building-*"; exit $code'
    )
    done = confined(script, size, str(out), sys.executable, str(project_file))
    if done.returncode == 99:
        pytest.skip("this kernel lets nobody mount a tmpfs")
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert "disk is full" in done.stderr
    assert "Traceback" not in done.stderr


@chat_only
def test_a_folder_that_cannot_be_written_is_told(project_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "locked"
    out.mkdir()
    script = 'mount -t tmpfs -o ro tmpfs "$1" || exit 99; exec "$2" -m luthier.cli.main run "$3" --out "$1"'
    done = confined(script, str(out), sys.executable, str(project_file))
    if done.returncode == 99:
        pytest.skip("this kernel lets nobody mount a tmpfs")
    assert (done.returncode, "--out" in done.stderr, "Traceback" in done.stderr) == (3, True, False)


@chat_only
def test_answers_of_the_command_line_are_those_of_the_exam(finished_file: Path) -> None:
    from luthier.pipeline.actions.answers import ask

    folder = run(finished_file).run
    items = {item.id: item for item in read_items(folder / "exam" / "items.parquet")}
    recorded = read_table(folder / "report" / "answers.parquet")
    for arm in ("base", "tuned"):
        row = next(row for row in recorded if row["arm"] == arm)
        question = items[row["item"]].messages[-1].content.removeprefix("Is it hot?\n\n")
        answer = ask(folder, question, use_base=arm == "base").values
        assert str(answer["answer"]).startswith(row["text"])


@chat_only
def test_to_read_the_exam_is_a_look(finished_file: Path) -> None:
    folder = finished_file.parent / "runs" / "small"
    shown = show_exam(folder, count=2)
    assert shown.values["look"] == 2
    assert len(shown.values["items"]) == 2
    assert all(item["messages"][-1]["content"] in shown.text for item in shown.values["items"])
    assert show_exam(folder, count=1).values["look"] == 2
    assert [line.get("look") for line in read_ledger(folder / "looks.jsonl")] == [1, None, 2]
