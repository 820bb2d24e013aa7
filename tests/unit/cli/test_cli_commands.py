import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from luthier.cli.main import run

chat_only = pytest.mark.parametrize("objective", ["chat"], indirect=True)


@pytest.fixture
def luthier(capsys: pytest.CaptureFixture[str]):
    """Run one command; returns exit code, stdout and stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        before = signal.getsignal(signal.SIGTERM)
        try:
            with pytest.raises(SystemExit) as ended:
                run([str(word) for word in words])
        finally:
            signal.signal(signal.SIGTERM, before)
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return call


def test_a_run_prints_its_json_last_and_the_rest_on_stderr(luthier, finished_file: Path) -> None:
    code, out, err = luthier("run", finished_file, "--json")
    assert code == 0
    [line] = out.splitlines()
    result = json.loads(line)
    assert set(result) == {"run", "verdict", "evidence", "report"}
    assert Path(result["evidence"]).is_file()
    assert Path(result["report"]).is_file()
    assert "collect: skipped" in err
    assert "warning: INCONCLUSIVE by construction" in err


@chat_only
def test_quiet_keeps_warnings_and_require_ship_turns_the_verdict_into_1(luthier, finished_file: Path) -> None:
    code, out, err = luthier("run", finished_file, "--quiet", "--require-ship")
    assert (code, out.splitlines()[0]) == (1, "INCONCLUSIVE")
    assert [line.partition(":")[0] for line in err.splitlines()] == ["warning"]


@chat_only
def test_a_dry_run_says_what_and_why(luthier, project_file: Path, tmp_path: Path) -> None:
    code, out, _ = luthier("run", project_file, "--dry-run", "--json", "--out", tmp_path / "here")
    planned = json.loads(out)
    assert (code, planned["run"]) == (0, str(tmp_path / "here" / "small"))
    assert [row["stage"] for row in planned["plan"]] == ["collect", "prepare", "train", "evaluate"]
    assert not (tmp_path / "here").exists()
    assert luthier("train", project_file, "--dry-run")[1].splitlines()[1].split()[:2] == ["train", "run"]


@chat_only
def test_one_stage_answers_with_its_folder(luthier, project_file: Path, tmp_path: Path) -> None:
    code, out, _ = luthier("collect", project_file, "--json")
    folder = tmp_path / "runs" / "small"
    assert (code, json.loads(out)) == (0, {"run": str(folder), "stage": "collect", "folder": str(folder / "corpus")})
    code, out, err = luthier("train", project_file)
    assert (code, out) == (4, "")
    assert "luthier prepare" in err


@chat_only
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "{file}", "--set", "train.epoch=1"], 3, "Did you mean 'epochs'?"),
        (["run", "{file}", "--set", "nonsense"], 2, "KEY.KEY=VALUE"),
        (["run", "{file}", "--set", "train.epochs=[1]"], 3, "train.epochs"),
        (["run", "nowhere.yaml"], 4, "luthier init"),
        (["run"], 2, "project"),
        (["run", "{file}", "--no-such"], 2, "--no-such"),
        (["dance"], 2, "dance"),
        (["ask", "{folder}", "hi"], 4, "not a run folder"),
        (["show", "{folder}"], 4, "not a run folder"),
        (["verify", "{folder}"], 4, "evidence.json"),
        (["compare", "{folder}", "{folder}"], 4, "evidence.json"),
        (["serve", "{folder}"], 4, "not a run folder"),
        (["init", "nowhere"], 4, "nowhere"),
    ],
)
def test_errors_are_told_with_their_code_and_without_a_traceback(
    luthier, project_file: Path, words: list[str], code: int, said: str
) -> None:
    found = luthier(*[word.format(file=project_file, folder=project_file.parent) for word in words])
    assert (found[0], found[1]) == (code, "")
    assert said in found[2]
    assert "Traceback" not in found[2]


@chat_only
def test_the_file_the_line_and_the_column_of_a_typo_are_named(luthier, project_file: Path) -> None:
    project_file.write_text(project_file.read_text().replace("  epochs:", "  epcohs:"))
    code, _, err = luthier("run", project_file)
    line = project_file.read_text().splitlines().index("  epcohs: 1") + 1
    assert (code, f"luthier.yaml:{line}:3: 'train.epcohs' is not a setting. Did you mean 'epochs'?" in err) == (3, True)


@chat_only
def test_verbose_shows_where_an_error_came_from(luthier, project_file: Path) -> None:
    assert "Traceback" in luthier("run", project_file, "--set", "x=1", "-v")[2]


def test_show_tells_the_run_a_row_and_the_mask(luthier, finished_file: Path, objective: str) -> None:
    folder = finished_file.parent / "runs" / "small"
    shown = json.loads(luthier("show", folder, "--json")[1])
    assert set(shown["folders"]) == {"corpus", "dataset", "exam", "model", "report"}
    assert shown["verdict"] == "INCONCLUSIVE"
    assert shown["folders"]["model"]["receipts"]["R10"]["steps"] > 0
    assert "receipt R10: steps" in luthier("show", folder)[1]
    masked = json.loads(luthier("show", folder, "--mask", 2, "--json")[1])["rows"]
    assert len(masked) == 2
    for row in masked:
        learnt = "".join(part["text"] for part in row["parts"] if part["learnt"])
        assert learnt in ({"yes<|im_end|>", "no<|im_end|>"} if objective == "chat" else {""})
    code, out, _ = luthier("show", folder, "--row", masked[0]["id"])
    assert (code, masked[0]["at"] in out) == (0, True)


@chat_only
def test_show_keeps_the_exam_sealed(luthier, finished_file: Path) -> None:
    from luthier.artifacts.rows import read_items

    folder = finished_file.parent / "runs" / "small"
    item = read_items(folder / "exam" / "items.parquet")[0]
    code, out, err = luthier("show", folder, "--row", item.id)
    assert (code, out) == (4, "")
    assert "sealed exam" in err
    assert item.messages[-1].content not in err


@chat_only
def test_verify_holds_and_catches_an_edit(luthier, finished_file: Path) -> None:
    folder = finished_file.parent / "runs" / "small"
    code, out, _ = luthier("verify", folder, "--json")
    assert (code, json.loads(out)["holds"]) == (0, True)
    code, out, _ = luthier("compare", folder, folder / "report", "--json")
    compared = json.loads(out)
    assert (code, compared["first"]["gain"], compared["contrast"]) == (0, compared["second"]["gain"], None)
    assert "cannot be set against each other" in luthier("compare", folder, folder)[1]
    evidence = folder / "report" / "evidence.json"
    evidence.write_text(evidence.read_text().replace('"alpha":0.025', '"alpha":0.026', 1))
    code, out, _ = luthier("verify", folder, "--json")
    assert (code, json.loads(out)["holds"]) == (1, False)


def test_ask_answers(luthier, finished_file: Path, objective: str) -> None:
    folder = finished_file.parent / "runs" / "small"
    answered = json.loads(luthier("ask", folder, "thing 1 1", "--json")[1])
    if objective == "chat":
        assert set(answered) == {"model", "answer", "ended", "tokens"}
        assert json.loads(luthier("ask", folder, "thing 1 1", "--json", "--base")[1])["model"] == "tiny-base"
    else:
        assert sum(row["score"] for row in answered["labels"]) == pytest.approx(1)
        assert luthier("ask", folder, "x", "--base")[0] == 3


@chat_only
def test_config_gives_values_with_reasons(luthier, finished_file: Path) -> None:
    code, out, _ = luthier("config", finished_file, "--json", "--set", "train.seed=7")
    rows = {row["name"]: row for row in json.loads(out)["settings"]}
    assert code == 0
    assert (rows["train.seed"]["value"], rows["train.seed"]["reason"]) == (7, "set with --set")
    assert rows["train.epochs"]["reason"] == "set in luthier.yaml"
    assert rows["train.clip"]["reason"] == "default"
    assert rows["train.learning_rate"]["value"] != "auto"
    assert "as trained" in rows["train.learning_rate"]["reason"]
    assert "properties" in json.loads(luthier("config", "--json")[1])["schema"]


def test_init_looks_and_writes_a_project(luthier, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("question,answer\n" + "".join(f"q {n},a {n}\n" for n in range(30)))
    code, out, _ = luthier("init", tmp_path, "--json")
    assert (code, json.loads(out)["project"]) == (0, str(tmp_path / "luthier.yaml"))
    assert luthier("init", tmp_path)[0] == 5


def test_doctor_says_what_it_found(luthier) -> None:
    _, out, _ = luthier("doctor", "--json")
    found = json.loads(out)
    assert found["cores"] >= 1
    assert "measured" in found["speed"]


@chat_only
def test_serve_answers_as_ask_does_and_stops_on_a_signal(luthier, finished_file: Path) -> None:
    import openai

    folder = finished_file.parent / "runs" / "small"
    asked = json.loads(luthier("ask", folder, "thing 1 1", "--json")[1])["answer"]
    command = [sys.executable, "-m", "luthier.cli.main", "serve", str(folder), "--port", "0", "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as server:
        assert server.stdout is not None
        ready = json.loads(server.stdout.readline())
        assert ready["models"] == ["small", "tiny-base"]
        with openai.OpenAI(base_url=f"{ready['address']}/v1", api_key="none") as client:
            messages = [{"role": "user", "content": "Is it hot?\n\nthing 1 1"}]
            answer = client.chat.completions.create(model="small", messages=messages, temperature=0, max_tokens=100)
            assert asked.startswith(answer.choices[0].message.content)
        port = ready["address"].rpartition(":")[2]
        taken = luthier("serve", folder, "--port", port)
        assert (taken[0], f"port {port}" in taken[2]) == (5, True)
        server.send_signal(signal.SIGTERM)
        _, err = server.communicate(timeout=30)
    assert server.returncode in {0, 143}, err
    assert "Traceback" not in err


@chat_only
def test_progress_is_plain_lines_off_a_terminal(project_file: Path) -> None:
    command = [sys.executable, "-m", "luthier.cli.main", "run", str(project_file)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stderr
    assert "\r" not in done.stderr
    assert "it/s]" not in done.stderr
    assert done.stdout.splitlines()[0] == "INCONCLUSIVE"


@chat_only
def test_a_finished_run_is_found_finished_without_loading_torch(finished_file: Path) -> None:
    code = (
        "import sys\nfrom luthier.cli.main import run\ntry:\n    run(sys.argv[1:])\n"
        "finally:\n    print(*sorted({'torch', 'transformers'} & set(sys.modules)), file=sys.stderr)"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, "run", str(finished_file), "--quiet"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, ""), done.stderr
    assert time.monotonic() - began < 10
