"""Run the stages of a project in order; what is finished and unchanged is not done again."""

import gc
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from luthier.artifacts.folders import Artifact, CorpusDir, DatasetDir, ExamDir, ModelDir, ReportDir, find
from luthier.artifacts.lock import run_lock
from luthier.errors import NotFoundError, UserError
from luthier.evaluate.config import Serve
from luthier.evaluate.metrics.units import gain_words, interval_words
from luthier.models.bases import Base, resolve_base
from luthier.pipeline.plan import why
from luthier.pipeline.project import Project, open_project, write_copy
from luthier.pipeline.stages import Leg, Shelf, StageName, fits, key_of, legs_of, models_of, target_of
from luthier.records import Listener, nobody_listens
from luthier.train.diagnosis import words_of

Tell = Callable[[str], None]


def nobody_hears(line: str) -> None:
    """The hearer of those who do not care."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """Where a run ended. Verdict, evidence and report are None unless `evaluate` was reached."""

    run: Path
    made: Path
    """The last folder that was made or found."""
    verdict: str | None
    evidence: Path | None
    report: Path | None
    gain: str = ""
    """The gain with its interval, in words."""
    advice: str = ""
    """What would serve better than this model, in words."""
    diagnosis: str = ""
    """What training showed, in words."""

    def words(self) -> str:
        """The end of a run as a person reads it."""
        lines = (self.verdict, self.gain, self.advice, self._training(), f"report: {self.report}")
        return "\n".join(line for line in lines if line)

    def _training(self) -> str:
        return f"training: {self.diagnosis}" if self.diagnosis else ""


def run(
    project_file: Path,
    *,
    overrides: Sequence[str] = (),
    out: Path | None = None,
    only: StageName | None = None,
    listener: Listener = nobody_listens,
    tell: Tell = nobody_hears,
) -> RunResult:
    """Bring the run folder up to date, or one stage of it from the finished folders before it (`only`).

    `tell` hears whole sentences a person should read: why a stage runs, warnings, what the exam can see.
    Raises ConflictError if another process works on the run, NotFoundError if `only` lacks its inputs.
    """
    project = open_project(project_file, overrides=overrides, out=out)
    with run_lock(project.folder):
        write_copy(project)
        base = resolve_base(project.config.base, relative_to=project.home, listener=listener)
        _check_fit(project, base)
        shelf = Shelf()
        for leg in legs_of(project):
            if not _on_shelf(leg, project, base=base, shelf=shelf):
                _require_turn(leg, project, only)
                tell(f"{leg.name}: runs ({why(leg.stage, project.at(leg.fold))})")
                shelf.at(leg.fold).put(*_do(leg, project, base=base, shelf=shelf, listener=listener))
            else:
                tell(f"{leg.name}: skipped (finished, and nothing it depends on changed)")
            if leg.name == "prepare":
                _foretell(shelf, project, tell)
            if leg.name == "prepare" and project.config.prepare.clean.prove:
                _prove(shelf, project, base=base, listener=listener, tell=tell)
            if leg.name == only:
                break
    return _result(project, shelf)


def _check_fit(project: Project, base: Base) -> None:
    if project.objective.needs_decoder and base.architecture != "decoder":
        raise UserError(
            f"{project.file}: objective '{project.objective.name}' needs a decoder, and base '{base.name}' is an "
            "encoder. Use base: smollm2-135m, or objective: classify"
        )
    if (project.objective.head != "causal" or project.objective.apart) and project.config.prepare.clean.prove:
        raise UserError(
            f"{project.file}: prepare.clean.prove compares bits per byte of text, which objective "
            f"'{project.objective.name}' does not write. Take the line out, or use objective: chat"
        )


def _on_shelf(leg: Leg, project: Project, *, base: Base, shelf: Shelf) -> bool:
    key = key_of(leg, project, base=base, shelf=shelf)
    folder = project.at(leg.fold).folder
    found = [find(folder / kind.kind, kind, key=key) for kind in leg.stage.makes]
    artifacts = [artifact for artifact in found if artifact is not None]
    if len(artifacts) < len(found) or not all(fits(artifact, project) for artifact in artifacts):
        return False
    shelf.at(leg.fold).put(*artifacts)
    return True


def _require_turn(leg: Leg, project: Project, only: StageName | None) -> None:
    stage, place = leg.stage, project.at(leg.fold)
    if only is not None and stage.name != only:
        raise NotFoundError(
            f"{only} needs what {stage.name} makes, and {place.folder} has no current one ({why(stage, place)}). "
            f"Run first: luthier {stage.name} {project.file}"
        )


def _do(leg: Leg, project: Project, *, base: Base, shelf: Shelf, listener: Listener) -> Sequence[Artifact]:
    # The heavy libraries load here, and only for a stage that has something to do.
    config, folder, own = project.config, project.at(leg.fold).folder, shelf.at(leg.fold)
    match leg.stage.name:
        case "collect":
            from luthier.collect.stage import collect

            return [collect(project.sources, config=config.collect, out=folder / CorpusDir.kind, listener=listener)]
        case "prepare":
            from luthier.compute.executors import executor_for
            from luthier.prepare.stage import prepare

            prepared = prepare(
                own.take(CorpusDir),
                target=target_of(project, base, shelf=shelf, fold=leg.fold),
                config=config.prepare,
                out=folder,
                executor=executor_for(config.compute),
                listener=listener,
            )
            return [prepared.dataset, prepared.exam]
        case "train":
            with _importing():
                from luthier.train.stage import train

            _check_leaks(own)
            dataset, out = own.take(DatasetDir), folder / ModelDir.kind
            # Of a fold's model, too, it is the whole exam that decides.
            plan = _planned(shelf, project)
            return [train(dataset, base=base, config=config.train, out=out, plan=plan, listener=listener)]
        case "evaluate":
            with _importing():
                from luthier.evaluate.fold_answers import answer_fold
                from luthier.evaluate.stage import evaluate

            _check_leaks(own)
            ask = evaluate if leg.fold is None else answer_fold
            [kind] = leg.stage.makes
            return [
                ask(
                    own.take(ExamDir),
                    dataset=own.take(DatasetDir),
                    models=models_of(leg, base, shelf=shelf, serve=_serve(project)),
                    config=config.evaluate,
                    out=folder / kind.kind,
                    listener=listener,
                )
            ]


def _serve(project: Project) -> Serve | None:
    from luthier.pipeline.actions.serving import serving

    return partial(serving, project) if project.objective.head == "causal" else None


@contextmanager
def _importing() -> Iterator[None]:
    """Do not look for garbage while the heavy libraries load, nor among what they made: a quarter of their time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _check_leaks(shelf: Shelf) -> None:
    from luthier.prepare.leaks import check_leaks

    check_leaks(shelf.take(DatasetDir), shelf.take(ExamDir))


def _planned(shelf: Shelf, project: Project) -> dict[str, Any]:
    """How the model will be judged, as the settings stand now."""
    from luthier.evaluate.plan import draft_plan

    return draft_plan(shelf.take(ExamDir), dataset=shelf.take(DatasetDir), config=project.config.evaluate)


def _foretell(shelf: Shelf, project: Project, tell: Tell) -> None:
    from luthier.evaluate.foresight import cross_fit_advice, foresight

    manifest = shelf.take(DatasetDir).manifest
    warnings = [str(warning) for warning in manifest.facts.get("warnings", [])]
    for warning in warnings:
        tell(f"warning: {warning}")
    planned = _planned(shelf, project)
    if not any(warning.startswith("INCONCLUSIVE") for warning in warnings):
        tell(f"exam: {foresight(planned)}")
    if advice := cross_fit_advice(planned, manifest.counts.get("groups")):
        tell(f"exam: {advice}")


def _prove(shelf: Shelf, project: Project, *, base: Base, listener: Listener, tell: Tell) -> None:
    from luthier.pipeline.actions.prove import prove

    prove(project, shelf, base=base, listener=listener, tell=tell)


def _result(project: Project, shelf: Shelf) -> RunResult:
    made = list(shelf.items.values())[-1].path
    if ReportDir.kind not in shelf.items:
        return RunResult(run=project.folder, made=made, verdict=None, evidence=None, report=None)
    report = shelf.take(ReportDir)
    evidence = report.file("evidence.json")
    record = json.loads(evidence.read_bytes())
    return RunResult(
        run=project.folder,
        made=made,
        verdict=str(record["verdict"]["verdict"]),
        evidence=evidence,
        report=report.file("report.html"),
        gain=_gain(record),
        advice="\n".join(record["verdict"]["advice"]),
        diagnosis=words_of(shelf.take(ModelDir).manifest.facts),
    )


def _gain(record: Mapping[str, Any]) -> str:
    gain = record["figures"].get("gain")
    if gain is None:
        return "\n".join(record["verdict"]["reasons"])
    metric = record["plan"]["primary"]
    interval = f", interval {interval_words(gain, metric)}" if gain["low"] is not None else ""
    folds = record["plan"].get("folds")
    by = f", of {folds} models that each left documents out: the one that ships learnt from all" if folds else ""
    return f"gain {gain_words(gain['value'], metric)} of {metric}{interval}{by}"
