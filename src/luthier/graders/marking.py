"""Which graders judge an answer, with what weight: read from settings or from a row, and put to work.

A grader is built in, or an entry point of the group `luthier.graders`: a function that takes the options as keywords
and returns a grader (`built_in.Make`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Annotated, Any, Self

import orjson
from pydantic import Field, TypeAdapter, ValidationError

from luthier.config import Settings
from luthier.errors import UserError
from luthier.graders.built_in import BUILT_IN, Grade, Make

GROUP = "luthier.graders"


class GraderConfig(Settings):
    """One grader, and how much it counts."""

    grader: str
    """exact, contains, numeric, labels, regex, json, length, or an installed entry point of `luthier.graders`."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """What it adds to the reward of an answer at most."""
    options: dict[str, Any] = Field(default={})
    """regex: pattern. json: schema. labels: known. length: most_words, least_words."""


Graders = tuple[GraderConfig, ...]
_GRADERS = TypeAdapter(Graders)


@dataclass(frozen=True, slots=True)
class Marking:
    """Graders that judge together."""

    parts: tuple[tuple[GraderConfig, Grade], ...]

    @property
    def most(self) -> float:
        """The reward that no answer can exceed."""
        return sum(config.weight for config, _ in self.parts)

    def reward(self, answer: str, golds: Sequence[str]) -> float:
        """Sum of what the graders give, each times its weight. UserError for one that breaks its promise."""
        return sum(config.weight * _given(config.grader, grade, answer, golds) for config, grade in self.parts)

    def check(self, golds: Sequence[str]) -> None:
        """UserError if these golds cannot be graded by, or would earn nothing themselves."""
        if not any(self.reward(gold, golds) for gold in golds):
            names = ", ".join(config.grader for config, _ in self.parts)
            raise UserError(f"the gold {golds[0][:80]!r} would itself earn nothing from its graders ({names})")


@dataclass(frozen=True, slots=True)
class Grading:
    """What the answers to one prompt are graded by; without graders: by those of the project."""

    golds: tuple[str, ...]
    graders: Graders = ()

    @property
    def text(self) -> str:
        """As JSON; the same for equal ones."""
        return f'{{"golds":{orjson.dumps(self.golds).decode("utf-8")},"graders":{written(self.graders)}}}'

    @classmethod
    def of(cls, text: str) -> Self:
        """What `text` says."""
        found = orjson.loads(text)
        return cls(tuple(found["golds"]), graders_of(found["graders"]))


class Markings:
    """The graders of many rows, each kind made once."""

    def __init__(self, usual: Graders) -> None:
        """UserError if these, which judge rows that name none, cannot be made."""
        self._usual = marking_of(usual)
        self._made: dict[str, Marking] = {}

    def of(self, grading: Grading) -> Marking:
        """What judges a row."""
        if not grading.graders:
            return self._usual
        name = written(grading.graders)
        if name not in self._made:
            self._made[name] = marking_of(grading.graders)
        return self._made[name]


def written(graders: Graders) -> str:
    """Graders as a JSON list; the same for equal ones."""
    return orjson.dumps([each.model_dump() for each in graders], option=orjson.OPT_SORT_KEYS).decode("utf-8")


def graders_of(value: Any) -> Graders:
    """Graders as a row names them: one or several, each a name or an object like `GraderConfig`. UserError if not."""
    given = value if isinstance(value, list) else [value]
    named = tuple({"grader": one} if isinstance(one, str) else one for one in given)
    try:
        return _GRADERS.validate_python(named)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"][1:]))
        raise UserError(f"{place + ': ' if place else ''}{first['msg']}") from error


def marking_of(graders: Graders) -> Marking:
    """Make the graders; UserError for one that does not exist, or whose options are wrong."""
    return Marking(tuple((config, _made(config)) for config in graders))


def _made(config: GraderConfig) -> Grade:
    try:
        return _make(config.grader)(**config.options)
    except (TypeError, ValueError) as error:
        raise UserError(f"grader {config.grader}: {error}") from error


def _make(name: str) -> Make:
    if name in BUILT_IN:
        return BUILT_IN[name]
    installed = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in installed:
        raise UserError(f"there is no grader '{name}'. There are: {', '.join(sorted({*BUILT_IN, *installed}))}")
    made: Make = installed[name].load()
    return made


def _given(name: str, grade: Grade, answer: str, golds: Sequence[str]) -> float:
    try:
        found = float(grade(answer, golds))
    except ValueError as error:
        raise UserError(f"grader {name}: {error}") from error
    if not (math.isfinite(found) and 0 <= found <= 1):
        raise UserError(f"grader {name} gave {found:g} for the answer {answer[:80]!r}, expected 0 to 1")
    return found
