"""A text and its labels, and text alone."""

from typing import Any

from luthier.collect.formats.check import BadRowError, checked_text, structured
from luthier.collect.formats.pairs import FIRSTS, SECONDS, is_number
from luthier.collect.formats.shape import Cells, RowFormat
from luthier.collect.formats.tags import is_spans
from luthier.records import Label, Origin, Text

TEXT_NAMES = ("text", "sentence", "document", "content", "body")
LABEL_NAMES = (
    *("label", "labels", "class", "classes", "category", "categories", "intent", "topic", "topics"),
    *("sentiment", "emotion", "target"),
)
SEPARATOR = ";"


def _label(cells: Cells, origin: Origin) -> Label:
    text = checked_text(cells.value("text"), cells.name("text"))
    label, others = _labels(cells.value("label"), cells.name("label"))
    return Label(text=text, label=label, origin=origin, others=others)


def _two(cells: Cells, origin: Origin) -> Label:
    first, second = (checked_text(cells.value(role), cells.name(role)) for role in ("text", "second"))
    label, others = _labels(cells.value("label"), cells.name("label"))
    return Label(text=first, label=label, origin=origin, others=others, second=second)


def _labels(value: Any, name: str) -> tuple[str, tuple[str, ...]]:
    """The first label and the other ones; an empty list is no label. Spaces around a label would make a class of their
    own.
    """
    found = structured(value)
    if isinstance(found, list):
        labels = [checked_text(label, f"{name}[{place}]").strip() for place, label in enumerate(found)]
    else:
        labels = [part.strip() for part in checked_text(value, name).split(SEPARATOR) if part.strip()]
    if not labels and found != []:
        raise BadRowError(f"{name} is empty")
    first, *others = dict.fromkeys(labels or [""])
    return first, tuple(others)


def _looks_labelled(cells: Cells) -> bool:
    found = structured(cells.value("label"))
    return found == [] or not is_spans(found)


def _looks_paired(cells: Cells) -> bool:
    """True unless a number may say how alike two sentences are."""
    return cells.columns["text"] not in FIRSTS or not is_number(cells.value("label"))


def _text(cells: Cells, origin: Origin) -> Text:
    return Text(text=checked_text(cells.value("text"), cells.name("text")), origin=origin)


LABEL = RowFormat(
    name="label",
    required={"text": (*TEXT_NAMES, "utterance", "review", "comment", "tweet", "message"), "label": LABEL_NAMES},
    optional={},
    make=_label,
    looks=_looks_labelled,
)
TWO_TEXTS = RowFormat(
    name="texts",
    required={
        "text": ("premise", *FIRSTS, "text_a", "text"),
        "second": ("hypothesis", *SECONDS, "text_b", "second"),
        "label": (*LABEL_NAMES, "gold_label"),
    },
    optional={},
    make=_two,
    looks=_looks_paired,
)
TEXT = RowFormat(name="text", required={"text": TEXT_NAMES}, optional={}, make=_text, is_fallback=True)
