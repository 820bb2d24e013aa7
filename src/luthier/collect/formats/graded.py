"""Questions whose answers are graded: a prompt, what is accepted, and which graders judge."""

from typing import Any

from luthier.collect.formats.check import BadRowError, checked_text, plain_text, structured
from luthier.collect.formats.messages import SYSTEM_NAMES, turns_or_text
from luthier.collect.formats.shape import Cells, RowFormat
from luthier.collect.formats.turns import check_conversation, with_system
from luthier.errors import UserError
from luthier.graders.marking import graders_of, marking_of, written
from luthier.records import Graded, Message, Origin


def _graded(cells: Cells, origin: Origin) -> Graded:
    prompt = turns_or_text(cells.value("prompt"), cells.name("prompt"), role="user")
    prompt = with_system(prompt, cells.value("system"), cells.name("system"))
    golds = _golds(cells.value("gold"), cells.name("gold"))
    check_conversation((*prompt, Message("assistant", golds[0])), f"({cells.name('prompt')} + {cells.name('gold')})")
    return Graded(prompt=prompt, golds=golds, graders=_graders(cells, golds), origin=origin)


def _golds(value: Any, name: str) -> tuple[str, ...]:
    found = structured(value)
    if not isinstance(found, list):
        return (checked_text(value, name),)
    if not found:
        raise BadRowError(f"{name} is empty")
    return tuple(checked_text(gold, f"{name}[{place}]") for place, gold in enumerate(found))


def _graders(cells: Cells, golds: tuple[str, ...]) -> str:
    """The graders of the row as JSON, tried on its golds; empty if it names none."""
    value, name = structured(cells.value("graders")), cells.name("graders")
    if not plain_text(value).strip() or value == []:
        return ""
    try:
        graders = graders_of(value)
        marking_of(graders).check(golds)
    except UserError as error:
        raise BadRowError(f"{name}: {error}") from error
    return written(graders)


GRADED = RowFormat(
    name="graded",
    required={
        "prompt": ("prompt", "question", "messages", "problem", "input", "query"),
        "gold": ("gold", "golds", "reference", "ground_truth", "reference_answer", "answer", "solution"),
        "graders": ("graders", "grader", "reward_model"),
    },
    optional={"system": SYSTEM_NAMES},
    make=_graded,
)
