"""The graders that are there: each is made from its options, and then says what an answer is worth, 0 to 1.

Options and golds may come with the data, so nothing here runs code of theirs: patterns are stopped after a second, and
a schema loads nothing from elsewhere.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import orjson
import regex
from jsonschema import Draft202012Validator, ValidationError, validators
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from luthier.errors import UserError
from luthier.graders.matches import contains, exact_match, label_overlap, split_labels
from luthier.graders.numbers import last_number, number_score

Grade = Callable[[str, Sequence[str]], float]
"""(answer, golds) -> what it is worth, 0 to 1, the same whenever it is asked; ValueError for golds it cannot use."""
Make = Callable[..., Grade]
"""Options as keywords -> a grader; ValueError or TypeError says what is wrong with them."""
SECONDS = 1.0
"""That a pattern may take on one answer."""


def exact() -> Grade:
    """Equal to a gold after normalising."""
    return exact_match


def contained() -> Grade:
    """A gold stands in it as whole words."""
    return contains


def numeric() -> Grade:
    """Its last number is a gold's, to the digits that the gold has behind its point."""
    return _number_match


def labels(*, known: Sequence[str] = ()) -> Grade:
    """Its labels, separated by `;`, are a gold's; a part of them earns a part, one that is not `known` nothing."""
    if isinstance(known, str):
        raise ValueError("known is text, expected a list of labels")
    wanted = split_labels(";".join(known))

    def grade(answer: str, golds: Sequence[str]) -> float:
        is_strange = bool(wanted) and not split_labels(answer) <= wanted
        return 0.0 if is_strange else label_overlap(answer, golds)

    return grade


def pattern(*, pattern: str) -> Grade:
    """A regular expression is found in it."""
    found = _compiled(pattern)
    return lambda answer, _golds: float(_search(found, answer))


def json(*, schema: dict[str, Any] | None = None) -> Grade:
    """It is JSON, and fits the schema (JSON Schema 2020-12) if one is given."""
    if schema is None:
        return lambda answer, _golds: float(_parsed(answer) is not None)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"schema: {error.message}") from error
    validator = _Validator(schema, registry=Registry())

    def grade(answer: str, _golds: Sequence[str]) -> float:
        value = _parsed(answer)
        try:
            return float(value is not None and validator.is_valid(value[0]))
        except (Unresolvable, RecursionError) as error:
            raise ValueError(f"schema: a reference leads nowhere within it ({error})") from error

    return grade


def length(*, most_words: int, least_words: int = 0) -> Grade:
    """It has at least and at most so many words."""
    if not 0 <= least_words <= most_words:
        raise ValueError(f"least_words is {least_words} and most_words is {most_words}")
    return lambda answer, _golds: float(least_words <= len(answer.split()) <= most_words)


BUILT_IN: dict[str, Make] = {
    "exact": exact,
    "contains": contained,
    "numeric": numeric,
    "labels": labels,
    "regex": pattern,
    "json": json,
    "length": length,
}


def _number_match(answer: str, golds: Sequence[str]) -> float:
    for gold in golds:
        if last_number(gold) is None:
            raise ValueError(f"the gold {gold!r} holds no number")
    return max(number_score(answer, gold) for gold in golds)


def _compiled(pattern: str) -> regex.Pattern[str]:
    try:
        return regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"pattern {pattern!r}: {error}") from error


def _search(found: regex.Pattern[str], text: str) -> bool:
    try:
        return found.search(text, timeout=SECONDS) is not None
    except TimeoutError as error:
        raise UserError(
            f"grader regex: pattern {found.pattern!r} takes over {SECONDS:g} s on {text[:80]!r}. Write it without "
            "repetitions inside repetitions."
        ) from error


def _parsed(answer: str) -> tuple[Any] | None:
    """The value that a text is as JSON, in a tuple, because it may be null; None if it is not JSON."""
    try:
        return (orjson.loads(answer),)
    except orjson.JSONDecodeError:
        return None


def _fits_pattern(_validator: Any, pattern: str, value: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and not _search(_compiled(pattern), value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _refuse_patterns(_validator: Any, _patterns: Any, _value: Any, _schema: Any) -> Iterator[ValidationError]:
    raise ValueError("schema: patternProperties is not supported. Name the properties")


_Validator = cast(
    Any,
    validators.extend(Draft202012Validator, {"pattern": _fits_pattern, "patternProperties": _refuse_patterns}),
)
