"""The command line: words in, words out. Heavy imports wait inside the commands."""

import errno
import os
import signal
import sys
import traceback
from types import FrameType
from typing import Annotated

import typer

from luthier.cli import care, look, model, plan, work
from luthier.errors import LuthierError, StoppedError

app = typer.Typer(
    name="luthier",
    help="Fine-tune language models for a domain, and prove that it helped.",
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
)


def _version(asked: bool) -> None:
    if asked:
        import luthier

        print(f"luthier {luthier.__version__}")
        raise typer.Exit


@app.callback()
def luthier_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Fine-tune language models for a domain, and prove that it helped."""


work.register(app)
model.register(app)
look.register(app)
plan.register(app)
care.register(app)


def run(arguments: list[str] | None = None) -> None:
    """Entry point: run one command, tell errors without a traceback, and exit with the documented code."""
    words = sys.argv[1:] if arguments is None else arguments
    signal.signal(signal.SIGTERM, _stop)
    # Bars of libraries would write between our lines.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        typer.main.get_command(app)(words, prog_name="luthier")
    except SystemExit as ended:
        if ended.code == 130:
            _say("Interrupted. What was finished is kept; the same command continues.")
        raise
    except Exception as error:
        verbose = {"-v", "--verbose"} & set(words)
        if verbose:
            traceback.print_exc()
        _say(_words(error, verbose=bool(verbose)))
        sys.exit(error.exit_code if isinstance(error, LuthierError) else 1)


def _stop(number: int, frame: FrameType | None) -> None:
    raise StoppedError(
        "Stopped on request. What was finished is kept; the same command continues.", signal_number=number
    )


def _words(error: Exception, *, verbose: bool) -> str:
    if isinstance(error, LuthierError):
        return str(error)
    if isinstance(error, MemoryError):
        return "Out of memory. Close other programs, or lower train.micro_batch_tokens (--set)."
    # Libraries written in Rust tell a full disk in words only.
    if "No space left on device" in str(error) or (isinstance(error, OSError) and error.errno == errno.EDQUOT):
        return "The disk is full. What was finished is kept; free some space and run the same command again."
    line = " ".join(str(error).split())
    hint = "" if verbose else " This is a mistake in Luthier; run again with -v to see where."
    return f"{type(error).__name__}: {line}.{hint}"


def _say(line: str) -> None:
    print(f"luthier: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    run()
