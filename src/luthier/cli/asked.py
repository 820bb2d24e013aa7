"""The options that every command has, given once."""

import functools
import inspect
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from luthier.cli.screen import Screen

ProjectFile = Annotated[Path, typer.Argument(help="Project file (luthier.yaml), or a run folder.")]
RunFolder = Annotated[Path, typer.Argument(help="Run folder, for example runs/my-project.")]

_JSON = Annotated[bool, typer.Option("--json", help="Print JSON on stdout; all else goes to stderr.")]
_QUIET = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
_VERBOSE = Annotated[bool, typer.Option("-v", "--verbose", help="Say more; show the traceback of an error.")]
_OUT = Annotated[Path | None, typer.Option("--out", help="Folder of runs, instead of the one in the project file.")]
_SET = Annotated[list[str], typer.Option("--set", metavar="A.B=C", help="Change one setting: a.b=c. May be repeated.")]
_DRY_RUN = Annotated[bool, typer.Option("--dry-run", help="Say what would run and why; start nothing.")]

LOOKS: Mapping[str, tuple[Any, Any]] = {"json": (_JSON, False), "quiet": (_QUIET, False), "verbose": (_VERBOSE, False)}
SETS: Mapping[str, tuple[Any, Any]] = {"out": (_OUT, None), "settings": (_SET, [])}
WORKS: Mapping[str, tuple[Any, Any]] = {**SETS, "dry_run": (_DRY_RUN, False)}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked for besides the command itself."""

    screen: Screen
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    out: Path | None = None
    settings: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def colour(self) -> bool:
        """Whether stdout is a terminal that wants colour."""
        return sys.stdout.isatty() and "NO_COLOR" not in os.environ and not self.json

    def answer(self, value: Mapping[str, Any], text: str) -> None:
        """Print the result: one JSON line with --json, else the text, on stdout."""
        self.screen.close()
        print(json.dumps(value, ensure_ascii=False) if self.json else text, file=sys.stdout, flush=True)


def verb(app: typer.Typer, *groups: Mapping[str, tuple[Any, Any]], name: str | None = None) -> Callable[..., Any]:
    """Register a command whose first argument is `Asked`; its options join the command's own."""

    def register(command: Callable[..., None]) -> Callable[..., None]:
        options = {key: option for group in (*groups, LOOKS) for key, option in group.items()}
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

        @functools.wraps(command)
        def called(**values: Any) -> None:
            common = {key: values.pop(key) for key in options}
            settings = tuple(common.pop("settings", ()))
            with Screen(quiet=common["quiet"]) as screen:
                command(Asked(screen=screen, settings=settings, **common), **values)

        added = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for key, (annotation, default) in options.items()
        ]
        keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        called.__dict__["__signature__"] = inspect.Signature([*keyword_only, *added])
        called.__annotations__ = {parameter.name: parameter.annotation for parameter in (*keyword_only, *added)}
        app.command(name)(called)
        return command

    return register
