"""Questions about a text, and where in it they are answered, as SQuAD and its like hold them."""

from collections.abc import Mapping
from typing import Any

from luthier.collect.formats.check import BadRowError, checked_text, structured
from luthier.collect.formats.shape import Cells, RowFormat
from luthier.records import Extraction, Origin

STARTS = ("answer_start", "start")


def is_marked(value: Any) -> bool:
    """True for answers with the places where they begin, and for none."""
    found = structured(value)
    if isinstance(found, Mapping):
        return "text" in found and any(name in found for name in STARTS)
    return isinstance(found, list) and all(isinstance(one, Mapping) and is_marked(one) for one in found)


def _extraction(cells: Cells, origin: Origin) -> Extraction:
    question = checked_text(cells.value("question"), cells.name("question"))
    context, name = checked_text(cells.value("context"), cells.name("context")), cells.name("answers")
    found = structured(cells.value("answers"))
    if found is not None and not is_marked(found):
        raise BadRowError(f"{name} is not a text with the place where it begins (text, answer_start)")
    places = [_place(text, start, context, f"{name}[{at}]") for at, (text, start) in enumerate(_answers(found, name))]
    return Extraction(question, context, tuple(dict.fromkeys(places)), origin)


def _answers(found: Any, name: str) -> list[tuple[Any, Any]]:
    """Every answer and where it begins."""
    if isinstance(found, list):
        return [pair for one in found for pair in _answers(one, name)]
    if found is None:
        return []
    texts, starts = found["text"], next(found[start] for start in STARTS if start in found)
    if not isinstance(texts, list):
        return [(texts, starts)]
    if not isinstance(starts, list) or len(texts) != len(starts):
        raise BadRowError(f"{name} has {len(texts)} texts and not as many starts")
    return list(zip(texts, starts, strict=True))


def _place(text: Any, start: Any, context: str, name: str) -> tuple[int, int]:
    quote = checked_text(text, name)
    if not isinstance(start, int) or isinstance(start, bool):
        raise BadRowError(f"{name} has no whole number for its start")
    end = start + len(quote)
    if start < 0 or context[start:end] != quote:
        raise BadRowError(f"{name} is '{quote}', but the text at {start} is '{context[max(0, start) : max(0, end)]}'")
    return start, end


def _looks_marked(cells: Cells) -> bool:
    return is_marked(cells.value("answers"))


EXTRACTION = RowFormat(
    name="extraction",
    required={
        "question": ("question", "query"),
        "context": ("context", "passage", "paragraph"),
        "answers": ("answers", "answer"),
    },
    optional={},
    make=_extraction,
    looks=_looks_marked,
)
