"""Commands that keep promises to the people in the data: forget."""

import sys
from typing import Annotated

import typer

from luthier.cli.asked import Asked, RunFolder, verb

Subject = Annotated[
    str, typer.Option("--subject", help="An address, number or name of the person; `-` reads it from standard input.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Report only; write nothing.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    verb(app)(forget)


def forget(asked: Asked, run: RunFolder, subject: Subject, dry_run: DryRun = False) -> None:
    """Find a person's rows and the models trained on them, and leave the rows out from the next prepare on."""
    from luthier.pipeline.actions.forget import forget as forget_person

    words = sys.stdin.readline() if subject == "-" else subject
    shown = forget_person(run, words, write=not dry_run)
    asked.answer(shown.values, shown.text)
