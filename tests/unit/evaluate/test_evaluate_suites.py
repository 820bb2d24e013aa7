"""Logs that lm-eval 0.4.13 left when it asked the demo's two models through `luthier serve`, and what is read in them.

`lm_eval_logs` holds that run: 12 diagnoses of ICD-10-CM (public domain), the prompts taken out of the samples.
"""

import json
import shutil
import stat
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from evaluate_trials import make_trial

from luthier.errors import UserError
from luthier.evaluate.config import Served, SuitesConfig
from luthier.evaluate.report.evidence import evidence_bytes
from luthier.evaluate.statistics.binary import mcnemar
from luthier.evaluate.suites import ask_suites, pair_logs, read_logs
from luthier.evaluate.verify import verify
from luthier.records import nobody_listens

LOGS = Path(__file__).parent / "lm_eval_logs"
STAND_IN = """#!{python}
import shutil, sys, os
if sys.argv[1] == "-c":
    sys.exit("no module named lm_eval") if {broken} else print("0.4.13")
else:
    words = dict(zip(sys.argv, sys.argv[1:]))
    model = words["--model_args"].split(",")[0].removeprefix("model=")
    if words["--tasks"] != "icd_chapters":
        sys.exit("Tasks not found")
    assert "OPENAI_API_KEY" not in os.environ
    shutil.copytree({logs!r} + "/" + model, words["--output_path"], dirs_exist_ok=True)
"""
"""Stands in the place of a Python that has lm-eval: takes the same words, and leaves what it left."""


@pytest.fixture
def stand_in(tmp_path):
    def make(*, broken=False):
        path = tmp_path / "python"
        path.write_text(STAND_IN.format(python=sys.executable, broken=broken, logs=str(LOGS)))
        path.chmod(stat.S_IRWXU)
        return "python"

    return make


def serve_from(home):
    @contextmanager
    def serve():
        yield Served("http://127.0.0.1:1", base="base", tuned="tuned", home=home)

    return serve


def test_both_models_are_asked_and_paired(stand_in, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    config = SuitesConfig(tasks=["icd_chapters"], python=stand_in(), limit=12, cluster_by="category")
    told = ask_suites(config, serve=serve_from(tmp_path), listener=nobody_listens)
    assert told["asked"] == {"lm_eval": "0.4.13", "tasks": ["icd_chapters"], "limit": 12}
    assert told["left_out"] == {}
    columns = told["scores"]["icd_chapters"]
    assert (columns["metric"], columns["higher_is_better"]) == ("exact_match,none", True)
    assert columns["id"] == [f"icd_chapters/{place}" for place in range(12)]
    assert (sum(columns["base"]), sum(columns["tuned"])) == (0, 8)
    # No text of a suite goes into evidence.
    assert all(len(name) == 16 for name in columns["document"])


def test_figures_come_from_the_scores_and_can_be_verified(tmp_path):
    told = pair_logs(read_logs(LOGS / "base"), read_logs(LOGS / "tuned"))
    plain, trial = make_trial(0.5, 0.5), make_trial(0.5, 0.5, advisory={"suites": told})
    assert trial.record["verdict"] == plain.record["verdict"]
    [figure] = trial.record["figures"]["suites"].values()
    assert figure["gain"]["value"] == pytest.approx(8 / 12)
    assert figure["gain"]["p"] == figure["adjusted"] == mcnemar(8, 0)
    (tmp_path / "evidence.json").write_bytes(evidence_bytes(trial.record))
    assert verify(tmp_path / "evidence.json") == []


def test_a_metric_that_falls_when_it_gets_better_is_turned_round():
    told = pair_logs(read_logs(LOGS / "base"), read_logs(LOGS / "tuned"))
    told["scores"]["icd_chapters"]["higher_is_better"] = False
    [figure] = make_trial(0.5, 0.5, advisory={"suites": told}).record["figures"]["suites"].values()
    assert figure["gain"]["value"] == pytest.approx(-8 / 12)
    assert figure["tuned"]["value"] == pytest.approx(8 / 12)


def test_logs_of_other_questions_are_no_pair(tmp_path):
    shutil.copytree(LOGS / "base", tmp_path / "other")
    [file] = (tmp_path / "other").rglob("samples_*.jsonl")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rows[3]["prompt_hash"] = "0" * 64
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match="same items of icd_chapters"):
        pair_logs(read_logs(tmp_path / "other"), read_logs(LOGS / "tuned"))


def test_tasks_without_scores_of_single_items_are_named():
    base, tuned = (read_logs(LOGS / arm) for arm in ("base", "tuned"))
    for row in (*base.samples["icd_chapters"], *tuned.samples["icd_chapters"]):
        row["exact_match"] = [1, 2]
    assert pair_logs(base, tuned) == {
        "scores": {},
        "left_out": {"icd_chapters": "lm-eval gives no score of single items"},
    }


@pytest.mark.parametrize(
    ("tasks", "broken", "said"),
    [(["icd_chapters"], True, "cannot be loaded.*no module named"), (["unheard_of"], False, "Tasks not found")],
)
def test_what_lm_eval_says_is_told(stand_in, tmp_path, tasks, broken, said):
    config = SuitesConfig(tasks=tasks, python=stand_in(broken=broken))
    with pytest.raises(UserError, match=said):
        ask_suites(config, serve=serve_from(tmp_path), listener=nobody_listens)


def test_right_and_wrong_count_as_1_and_0_and_tasks_may_begin_alike(tmp_path):
    shutil.copytree(LOGS / "base", tmp_path / "base")
    [file] = (tmp_path / "base").rglob("samples_*.jsonl")
    file.with_name(file.name.replace("chapters", "chapters_hard")).write_text("no rows of this task")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps({**row, "exact_match": True}) + "\n" for row in rows))
    told = pair_logs(read_logs(tmp_path / "base"), read_logs(LOGS / "tuned"))
    assert told["scores"]["icd_chapters"]["base"] == [1.0] * 12
    file.unlink()
    with pytest.raises(UserError, match="no answers to the items of icd_chapters"):
        read_logs(tmp_path / "base")


def test_models_that_do_not_write_cannot_be_asked():
    with pytest.raises(UserError, match="models that write"):
        ask_suites(SuitesConfig(tasks=["gsm8k"]), serve=None, listener=nobody_listens)


def test_names_of_tasks_cannot_smuggle_words():
    with pytest.raises(ValueError, match="pattern"):
        SuitesConfig(tasks=["gsm8k,--trust_remote_code"])
