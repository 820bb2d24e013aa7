"""Articles of paragraphs of questions, as SQuAD's files nest them: one row for every question."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeGuard

import orjson

from luthier.collect.reading import reject
from luthier.records import Reject, Row

PARAGRAPHS, QUESTIONS = "paragraphs", "qas"


def unfolded(row: Row | Reject) -> Iterator[Row | Reject]:
    """The row, or those of its questions with what the article and the paragraph say beside them.

    A paragraph without questions is refused.
    """
    if isinstance(row, Reject):
        yield row
        return
    paragraphs = row.values.get(PARAGRAPHS)
    if _are_objects(paragraphs) and any(QUESTIONS in paragraph for paragraph in paragraphs):
        article = _without(row.values, PARAGRAPHS)
        for number, paragraph in enumerate(paragraphs, start=1):
            yield from _questions(row, {**article, **paragraph}, f", paragraph {number}")
    elif _are_objects(row.values.get(QUESTIONS)):
        yield from _questions(row, row.values, "")
    else:
        yield row


def _questions(row: Row, paragraph: Mapping[str, Any], place: str) -> Iterator[Row | Reject]:
    questions, shared = paragraph.get(QUESTIONS), _without(paragraph, QUESTIONS)
    if not _are_objects(questions):
        file, _, at = row.at.rpartition(":")
        reason = f"no list '{QUESTIONS}' of questions, in {at}{place}"
        yield reject(file, row.line, reason, orjson.dumps(paragraph).decode(), offset=row.offset)
        return
    for number, question in enumerate(questions, start=1):
        yield replace(row, at=f"{row.at}{place}, question {number}", values={**shared, **question})


def _are_objects(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _without(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}
