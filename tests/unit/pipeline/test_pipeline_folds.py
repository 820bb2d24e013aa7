"""Cross-fitting from files to a verdict: five folds, one exam, and a model that learnt from everything."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from luthier.artifacts.canonical import sha256_of
from luthier.artifacts.folders import DatasetDir, ExamDir, ModelDir
from luthier.artifacts.rows import read_items, read_worded
from luthier.errors import UserError
from luthier.evaluate.config import EvaluateConfig, Models
from luthier.evaluate.looks import read_ledger
from luthier.evaluate.report.evidence import evidence_bytes, read_evidence
from luthier.evaluate.stage import evaluate
from luthier.evaluate.statistics.cross_fit import se_factor
from luthier.evaluate.verify import verify
from luthier.models.bases import resolve_base
from luthier.pipeline.plan import plan
from luthier.pipeline.project import open_project
from luthier.pipeline.run import run
from luthier.prepare.leaks import check_leaks

FOLDS = range(1, 6)
CROSS = ("evaluate.cross_fit=true", "evaluate.general_items=0", "evaluate.general_texts=8")
chat_only = pytest.mark.parametrize("objective", ["chat"], indirect=True)
_CROSSED: dict[str, Path] = {}
"""Objective -> a finished run folder, made once."""


@pytest.fixture
def crossed(project_file: Path, objective: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the project, cross-fitted."""
    runs = project_file.parent / "runs"
    if objective in _CROSSED:
        shutil.copytree(_CROSSED[objective], runs)
    else:
        run(project_file, overrides=CROSS)
        _CROSSED[objective] = shutil.copytree(runs, tmp_path_factory.mktemp("crossed") / "runs")
    return runs / "small"


def run_again(file: Path, *overrides: str) -> list[str]:
    told: list[str] = []
    run(file, overrides=[*CROSS, *overrides], tell=told.append)
    return [line.partition(":")[0] for line in told if ": runs (" in line]


def digests(folder: Path) -> dict[str, str]:
    """Digest of every artifact of a run and of its folds."""
    found = sorted(folder.glob("*/manifest.json")) + sorted(folder.glob("folds/*/*/manifest.json"))
    return {str(path.relative_to(folder).parent): json.loads(path.read_bytes())["digest"] for path in found}


def groups_of(dataset: DatasetDir) -> set[str]:
    files = ("train.parquet", "validation.parquet")
    return {row.group for name in files for row in read_worded(dataset.file(name))}


def asked_of(exam: ExamDir) -> dict[str, str]:
    return {item.id: item.document for item in read_items(exam.file("items.parquet"))}


def test_every_document_is_answered_once_by_a_model_that_never_saw_it(crossed: Path) -> None:
    evidence = read_evidence(crossed / "report" / "evidence.json")
    fold_of = dict(zip(evidence["items"]["id"], evidence["items"]["fold"], strict=True))
    everything = groups_of(DatasetDir.open(crossed / "dataset"))
    assert len(everything) == 20
    sizes = []
    for number in FOLDS:
        exam, dataset = (kind.open(crossed / "folds" / str(number) / kind.kind) for kind in (ExamDir, DatasetDir))
        check_leaks(dataset, exam)
        asked = asked_of(exam)
        assert groups_of(dataset) == everything - set(asked.values())
        assert {fold_of[item] for item in asked} == {number}
        model = ModelDir.open(crossed / "folds" / str(number) / "model")
        assert model.manifest.inputs["dataset"] == dataset.digest
        assert evidence["folds"][number - 1]["model"] == model.digest
        sizes.append(len(set(asked.values())))
    assert max(sizes) - min(sizes) <= 1
    assert sum(sizes) == 20
    assert len(fold_of) == 60
    assert asked_of(ExamDir.open(crossed / "exam")).keys() == fold_of.keys()


def test_the_figures_have_the_wider_error_and_the_report_says_what_it_is_about(crossed: Path) -> None:
    evidence = read_evidence(crossed / "report" / "evidence.json")
    gain, plan = evidence["figures"]["gain"], evidence["plan"]
    assert (plan["folds"], gain["documents"], gain["n"]) == (5, 20, 60)
    assert evidence["frozen_plan"]["changed"] == {}
    page = (crossed / "report" / "report.html").read_text()
    assert "of 5 models trained without it" in page[: page.index("<section")]
    assert evidence["verdict"]["caveats"][0].startswith("The evidence is for the procedure: 5 models")
    assert verify(crossed) == []
    [look, result] = read_ledger(crossed / "looks.jsonl")
    assert (look["look"], look["model"]) == (1, ModelDir.open(crossed / "model").digest)
    assert "the exam is spent" in look["why"]
    assert result["result"] == evidence["sha256"]
    assert [len(read_ledger(crossed / "folds" / str(number) / "looks.jsonl")) for number in FOLDS] == [1] * 5


def edited(crossed: Path, change) -> list[str]:
    """Problems of an evidence file that was changed and whose hash was repaired."""
    record = read_evidence(crossed / "report" / "evidence.json")
    change(record)
    record.pop("sha256")
    record["sha256"] = sha256_of(record)
    (crossed / "report" / "evidence.json").write_bytes(evidence_bytes(record))
    return verify(crossed)


def narrower(record) -> None:
    gain = record["figures"]["gain"]
    gain["high"] /= se_factor(5)


def another_fold(record) -> None:
    record["items"]["fold"][0] = 2


def document_elsewhere(record) -> None:
    """A whole document changes places with one of another fold, and all numbers fit."""
    document, fold = record["items"]["document"], record["items"]["fold"]
    first, last = document[0], document[-1]
    ends = {first: fold[-1], last: fold[0]}
    record["items"]["fold"] = [ends.get(name, number) for name, number in zip(document, fold, strict=True)]


def without_folds(record) -> None:
    del record["folds"], record["items"]["fold"]


def mixed_up(record) -> None:
    record["folds"][1]["trained_on"] = record["folds"][0]["dataset"]


@chat_only
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (narrower, "figures.gain.high: says"),
        (another_fold, "a document is in two folds"),
        (document_elsewhere, "not the folds that the exam was sealed with"),
        (without_folds, "folds: not as planned"),
        (mixed_up, "learnt from another dataset"),
    ],
)
def test_edits_are_caught_though_the_hash_was_repaired(crossed: Path, change, words: str) -> None:
    assert any(words in problem for problem in edited(crossed, change))


@chat_only
def test_a_killed_run_goes_on_where_it_was(crossed: Path, project_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    flags = [flag for each in CROSS for flag in ("--set", each)]
    command = [sys.executable, "-m", "luthier.cli.main", "run", str(project_file), "--out", str(out), *flags]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, **silent) as running:
        while not (out / "small" / "folds" / "2" / "model" / "manifest.json").is_file():
            assert running.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
    told: list[str] = []
    run(project_file, overrides=CROSS, out=out, tell=told.append)
    ran = [line.partition(":")[0] for line in told if ": runs (" in line]
    assert not {name for name in ran if name.startswith(("collect", "prepare")) or name == "train, fold 2 of 5"}
    assert ran[-1] == "evaluate"
    assert digests(out / "small") == digests(crossed)


@chat_only
def test_what_is_finished_is_not_done_again(crossed: Path, project_file: Path) -> None:
    before = digests(crossed)
    assert run_again(project_file) == []
    assert not any(step.runs for step in plan(open_project(project_file, overrides=CROSS)))
    # A fold's answers hang on nothing that decides only what they are worth.
    assert run_again(project_file, "evaluate.minimum_effect=0.05") == ["evaluate"]
    shutil.rmtree(crossed / "folds" / "4" / "answers")
    assert run_again(project_file) == ["evaluate, fold 4 of 5"]
    assert digests(crossed) == before


@chat_only
def test_a_spent_exam_judges_no_model_that_learnt_from_it(crossed: Path, tmp_path: Path) -> None:
    exam, dataset, tuned = (kind.open(crossed / kind.kind) for kind in (ExamDir, DatasetDir, ModelDir))
    base = resolve_base("tiny-base", relative_to=tmp_path)
    with pytest.raises(UserError, match="it is spent"):
        evaluate(exam, dataset=dataset, models=Models(base, tuned), config=EvaluateConfig(), out=tmp_path / "report")


@chat_only
@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("evaluate.sequential=true", "excludes evaluate.sequential"),
        ("prepare.split.newest=topic", "excludes prepare.split.newest"),
        ("prepare.exam.claim=knowledge", "excludes prepare.exam.claim: knowledge"),
        ("prepare.split.group_by=null", "deals groups out into 5 folds"),
    ],
)
def test_what_cannot_be_cross_fitted_is_told(project_file: Path, override: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        run(project_file, overrides=[*CROSS, override])


@chat_only
def test_few_documents_are_told_of_it(project_file: Path) -> None:
    told: list[str] = []
    run(project_file, only="collect", tell=told.append)
    run(project_file, only="prepare", tell=told.append)
    advice = next(line for line in told if "evaluate.cross_fit: true would examine about 20 documents" in line)
    assert "it takes 6 trainings instead of one" in advice
