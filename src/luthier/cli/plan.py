"""Commands that plan before anything is spent: how large an exam must be, and whether more data would help."""

from pathlib import Path
from typing import Annotated

import typer

from luthier.cli.asked import Asked, RunFolder, verb

OptionalProject = Annotated[
    Path | None, typer.Argument(help="Project file or run folder; its settings and its exam, if there is one, count.")
]
Gain = Annotated[float | None, typer.Option("--gain", help="Points of improvement that the exam should see.")]
Documents = Annotated[int | None, typer.Option("--documents", help="Documents you can keep for the exam.")]
PerDocument = Annotated[float | None, typer.Option("--per-document", help="Questions from each document (5).")]
Differ = Annotated[
    float | None, typer.Option("--differ", help="Per cent of questions that the two models answer differently; 30.")
]

Times = Annotated[
    float, typer.Option("--times", help="How many times the documents there are; more than 1, at most 4.")
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    about = "Plan before you spend: how large an exam must be, and whether more data would help."
    plans = typer.Typer(name="plan", help=about, no_args_is_help=True)
    verb(plans)(exam)
    verb(plans)(data)
    app.add_typer(plans)


def exam(
    asked: Asked,
    project: OptionalProject = None,
    gain: Gain = None,
    documents: Documents = None,
    per_document: PerDocument = None,
    differ: Differ = None,
) -> None:
    """How many documents and questions an exam needs to see a gain, and what the one you have can see."""
    from luthier.pipeline.actions.exam_size import Wish, plan_exam

    wish = Wish(gain=gain, documents=documents, per_document=per_document, differ=differ)
    planned = plan_exam(project, wish)
    asked.answer(planned.values, planned.text)


def data(asked: Asked, run: RunFolder, times: Times = 2.0) -> None:
    """Train on parts of a run's documents, and foretell what more of them would bring (chat, complete)."""
    from luthier.pipeline.actions.more_data import forecast

    foreseen = forecast(run, times=times, tell=asked.screen.tell, listener=asked.screen.tick)
    asked.answer(foreseen.values, foreseen.text)
