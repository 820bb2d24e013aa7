"""Commands that let a model answer: ask and serve."""

from typing import Annotated

import typer

from luthier.cli.asked import Asked, RunFolder, verb

Question = Annotated[str, typer.Argument(help="What to ask; the run's instruction is added as in the exam.")]
UseBase = Annotated[bool, typer.Option("--base", help="Let the untrained base answer instead.")]
Host = Annotated[str | None, typer.Option("--host", help="Loopback address to listen on.")]
Port = Annotated[int | None, typer.Option("--port", help="Port to listen on.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    verb(app)(ask)
    verb(app)(serve)


def ask(asked: Asked, run: RunFolder, question: Question, base: UseBase = False) -> None:
    """Ask one question of the tuned model, or of its base."""
    from luthier.pipeline.actions.answers import ask as ask_model

    answered = ask_model(run, question, use_base=base, listener=asked.screen.tick)
    asked.answer(answered.values, answered.text)


def serve(asked: Asked, run: RunFolder, host: Host = None, port: Port = None) -> None:
    """Serve base and tuned behind an OpenAI-compatible API on this machine only."""
    from luthier.http.start import start

    def ready(address: str, names: list[str]) -> None:
        asked.answer({"address": address, "models": names}, f"serving {', '.join(names)} at {address}/v1")

    start(run, host=host, port=port, ready=ready)
