"""A text and its one label, and text alone."""

from luthier.collect.formats.check import checked_text
from luthier.collect.formats.shape import RowFormat, Values
from luthier.records import Label, Origin, Text

TEXT_NAMES = ("text", "sentence", "document", "content", "body")


def _label(values: Values, origin: Origin) -> Label:
    return Label(
        text=checked_text(values["text"], "text"),
        # Spaces around a label would make a class of their own.
        label=checked_text(values["label"], "label").strip(),
        origin=origin,
    )


def _text(values: Values, origin: Origin) -> Text:
    return Text(text=checked_text(values["text"], "text"), origin=origin)


LABEL = RowFormat(
    name="label",
    required={"text": TEXT_NAMES, "label": ("label", "class", "category", "intent", "topic", "sentiment")},
    optional={},
    make=_label,
)
TEXT = RowFormat(name="text", required={"text": TEXT_NAMES}, optional={}, make=_text, is_fallback=True)
