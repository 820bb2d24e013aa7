"""Commands that look and change nothing: show, verify, doctor, config."""

from pathlib import Path
from typing import Annotated

import typer

from luthier.cli.asked import SETS, Asked, RunFolder, verb

Row = Annotated[str | None, typer.Option("--row", help="Show one row, by its id or its place (file:line).")]
Mask = Annotated[int, typer.Option("--mask", help="Show this many rows as the model reads them, learnt text marked.")]
First = Annotated[Path, typer.Argument(help="Run folder, report folder, or evidence.json.", metavar="RUN")]
Second = Annotated[Path, typer.Argument(help="Another one, which is set against the first.", metavar="RUN")]
Exam = Annotated[
    int, typer.Option("--exam", help="Read this many items of the sealed exam: a look, which weakens what follows.")
]
Evidence = Annotated[Path, typer.Argument(help="Run folder, report folder, or evidence.json.")]
OptionalProject = Annotated[Path | None, typer.Argument(help="Project file; without one, the schema alone.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    verb(app)(show)
    verb(app)(verify)
    verb(app)(compare)
    verb(app)(doctor)
    verb(app, SETS)(config)


def show(asked: Asked, run: RunFolder, row: Row = None, mask: Mask = 0, exam: Exam = 0) -> None:
    """Show a run: what each stage made, the verdict, a row, the mask of what is learnt, or items of the exam."""
    from luthier.pipeline.actions import show as shows

    if row is not None:
        shown = shows.show_row(run, row)
    elif mask:
        shown = shows.show_mask(run, count=mask, colour=asked.colour)
    elif exam:
        shown = shows.show_exam(run, count=exam)
    else:
        shown = shows.show_run(run)
    asked.answer(shown.values, shown.text)


def verify(asked: Asked, evidence: Evidence) -> None:
    """Recompute the evidence from its own scores; exit 1 if any number does not follow."""
    from luthier.pipeline.actions.evidence import verify as verify_evidence

    checked = verify_evidence(evidence)
    asked.answer(checked.values, checked.text)
    if not checked.well:
        raise typer.Exit(1)


def compare(asked: Asked, first: First, second: Second) -> None:
    """Set two finished reports side by side: on one exam, which tuned model is better; else, which gain is larger."""
    from luthier.pipeline.actions.evidence import compare as compare_reports

    compared = compare_reports(first, second)
    asked.answer(compared.values, compared.text)


def doctor(asked: Asked) -> None:
    """Check this machine: versions, threads, memory, disk, speed, models in the cache."""
    from luthier.pipeline.actions.doctor import examine

    found = examine(listener=asked.screen.tick)
    asked.answer(found.values, found.text)
    if not found.well:
        raise typer.Exit(1)


def config(asked: Asked, project: OptionalProject = None) -> None:
    """Print every setting with its meaning and, for a project, its resolved value and why."""
    from luthier.pipeline.actions.settings import explain

    shown = explain(project, overrides=asked.settings, out=asked.out)
    asked.answer(shown.values, shown.text)
