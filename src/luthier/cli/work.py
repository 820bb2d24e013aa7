"""Commands that start work: init, run, and one for each stage."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from luthier.cli.asked import WORKS, Asked, ProjectFile, verb

if TYPE_CHECKING:
    from luthier.pipeline.run import RunResult
    from luthier.pipeline.stages import StageName

STAGES: dict["StageName", str] = {
    "collect": "Read the sources into a corpus: every file and row accounted for.",
    "prepare": "Make training rows and the sealed exam from the corpus.",
    "train": "Train the base on the prepared rows.",
    "evaluate": "Let base and tuned sit the sealed exam, and write the evidence.",
}
Folder = Annotated[Path, typer.Argument(help="Folder with your files.")]
RequireShip = Annotated[bool, typer.Option("--require-ship", help="Exit with 1 unless the verdict is SHIP.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    verb(app)(init)
    verb(app, WORKS)(run)
    for stage, meaning in STAGES.items():
        verb(app, WORKS, name=stage)(_one_stage(stage, meaning))


def init(asked: Asked, folder: Folder) -> None:
    """Look at the files in FOLDER and write luthier.yaml with what was found and why."""
    from luthier.pipeline.actions.survey import write_project

    found = write_project(folder)
    asked.answer(found["value"], found["text"])


def run(asked: Asked, project: ProjectFile, require_ship: RequireShip = False) -> None:
    """Run all stages. Again: continue, and do only what changed."""
    if asked.dry_run:
        return _show_plan(asked, project)
    result = _work(asked, project, only=None)
    asked.answer(
        {
            "run": str(result.run),
            "verdict": result.verdict,
            "evidence": str(result.evidence),
            "report": str(result.report),
        },
        result.words(),
    )
    if require_ship and result.verdict != "SHIP":
        raise typer.Exit(1)
    return None


def _one_stage(stage: "StageName", meaning: str) -> Callable[..., None]:
    def command(asked: Asked, project: ProjectFile) -> None:
        if asked.dry_run:
            return _show_plan(asked, project, only=stage)
        result = _work(asked, project, only=stage)
        return asked.answer(
            {"run": str(result.run), "stage": stage, "folder": str(result.made)}, f"{stage}: {result.made}"
        )

    command.__doc__ = f"{meaning} Takes the finished folders of the stages before it."
    return command


def _work(asked: Asked, project: Path, *, only: "StageName | None") -> "RunResult":
    from luthier.pipeline.run import run as run_stages

    return run_stages(
        project,
        overrides=asked.settings,
        out=asked.out,
        only=only,
        listener=asked.screen.tick,
        tell=asked.screen.tell,
    )


def _show_plan(asked: Asked, project: Path, *, only: "StageName | None" = None) -> None:
    from luthier.pipeline.plan import plan, training_memory
    from luthier.pipeline.project import open_project

    opened = open_project(project, overrides=asked.settings, out=asked.out)
    steps = [step for step in plan(opened) if only in {None, step.stage}]
    rows: list[dict[str, Any]] = [
        {"stage": step.name, "action": "run" if step.runs else "skip", "reason": step.reason} for step in steps
    ]
    lines = [f"{row['stage']:<9} {row['action']:<5} {row['reason']}" for row in rows]
    found: dict[str, Any] = {"run": str(opened.folder), "plan": rows}
    if only == "train" and steps[0].runs and (memory := training_memory(opened)):
        found["memory"] = memory
        lines.append(f"memory: {memory}")
    asked.answer(found, "\n".join([f"run folder: {opened.folder}", *lines]))
