"""Commands that plan before anything is spent: how large an exam must be."""

from pathlib import Path
from typing import Annotated

import typer

from luthier.cli.asked import Asked, verb

OptionalProject = Annotated[
    Path | None, typer.Argument(help="Project file or run folder; its settings and its exam, if there is one, count.")
]
Gain = Annotated[float | None, typer.Option("--gain", help="Points of improvement that the exam should see.")]
Documents = Annotated[int | None, typer.Option("--documents", help="Documents you can keep for the exam.")]
PerDocument = Annotated[float | None, typer.Option("--per-document", help="Questions from each document (5).")]
Differ = Annotated[
    float | None, typer.Option("--differ", help="Per cent of questions that the two models answer differently; 30.")
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    plans = typer.Typer(name="plan", help="Plan before you spend: how large an exam must be.", no_args_is_help=True)
    verb(plans)(exam)
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
