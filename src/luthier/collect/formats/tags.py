"""Texts with marked entities: tokens with tags, and character spans in the shapes that annotation tools write."""

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from luthier.collect.formats.bio import entities_of
from luthier.collect.formats.check import BadRowError, checked_list, checked_text, plain_text, structured
from luthier.collect.formats.shape import Cells, RowFormat
from luthier.records import Entity, Origin, Tags

STARTS = ("start", "start_offset", "start_char", "begin")
ENDS = ("end", "end_offset", "end_char", "stop")
LABELS = ("label", "labels", "type", "entity_type", "entity_group", "entity", "tag", "class")
QUOTES = ("text", "quote", "mention")


def is_spans(value: Any) -> bool:
    """True for a list whose first entry marks a place in a text, and for an empty list."""
    found = structured(value)
    return isinstance(found, list) and (not found or _is_span(found[0]))


def _tokens(cells: Cells, origin: Origin) -> Tags:
    tokens = [
        checked_text(token, f"{cells.name('tokens')}[{place}]")
        for place, token in enumerate(checked_list(cells.value("tokens"), cells.name("tokens")))
    ]
    tags = _tags(cells)
    if len(tags) != len(tokens):
        raise BadRowError(f"{len(tokens)} {cells.name('tokens')} and {len(tags)} {cells.name('tags')}")
    starts = list(accumulate((len(token) + 1 for token in tokens), initial=0))
    pieces, repairs = entities_of(tags)
    entities = tuple(Entity(starts[first], starts[after] - 1, label) for first, after, label in pieces)
    return Tags(text=" ".join(tokens), entities=entities, origin=origin, repairs=repairs)


def _tags(cells: Cells) -> list[str]:
    name = cells.name("tags")
    found = checked_list(cells.value("tags"), name)
    if any(isinstance(tag, int | float) for tag in found):
        raise BadRowError(f"{name} holds numbers; write the names of the tags, such as B-PER")
    return [checked_text(tag, f"{name}[{place}]").strip() for place, tag in enumerate(found)]


def _spans(cells: Cells, origin: Origin) -> Tags:
    text = checked_text(_bare_text(cells), cells.name("text"))
    name, found = cells.name("entities"), structured(cells.value("entities"))
    if found is not None and not isinstance(found, list):
        raise BadRowError(f"{name} is not a list")
    entities = [_entity(span, text, where) for span, where in _flat(found or [], name)]
    return Tags(text=text, entities=tuple(sorted(entities, key=_order)), origin=origin)


def _bare_text(cells: Cells) -> Any:
    """The text, also where Label Studio's full export holds it inside `data`."""
    value = structured(cells.value("text"))
    return next(iter(value.values()), None) if isinstance(value, Mapping) and len(value) == 1 else cells.value("text")


def _flat(found: list[Any], name: str) -> list[tuple[Any, str]]:
    """Each span with its place; Label Studio holds them in the results of annotations, of which one counts."""
    if not (found and isinstance(found[0], Mapping) and "result" in found[0]):
        return [(span, f"{name}[{place}]") for place, span in enumerate(found)]
    if len(found) > 1:
        raise BadRowError(f"{name} holds the work of {len(found)} annotators; keep one")
    results = found[0]["result"] or []
    return [(result.get("value", result), f"{name}[0].result[{place}]") for place, result in enumerate(results)]


def _entity(span: Any, text: str, name: str) -> Entity:
    if not _is_span(span):
        raise BadRowError(f"{name} has no start, end and label")
    start, end, label, quote = _parts(span)
    if not (_is_whole(start) and _is_whole(end)):
        raise BadRowError(f"{name} has no whole numbers for start and end")
    if isinstance(label, list) and len(label) == 1:
        label = label[0]
    if not 0 <= start < end <= len(text):
        raise BadRowError(f"{name} marks {start} to {end} of a text of {len(text)} characters")
    if quote is not None and quote != text[start:end]:
        raise BadRowError(f"{name} quotes '{plain_text(quote)}', but the text there is '{text[start:end]}'")
    return Entity(start, end, checked_text(label, f"{name}.label").strip())


def _parts(span: Any) -> tuple[Any, Any, Any, Any]:
    """Start, end, label and quote, None where there is none."""
    if isinstance(span, Mapping):
        start, end, label, quote = (_first(span, names) for names in (STARTS, ENDS, LABELS, QUOTES))
        return start, end, label, quote
    numbers = [part for part in span if isinstance(part, int)]
    return *numbers, next(part for part in span if not isinstance(part, int)), None


def _first(span: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((span[name] for name in names if span.get(name) is not None), None)


def _is_span(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "result" in value or (any(name in value for name in STARTS) and any(name in value for name in ENDS))
    if not isinstance(value, list | tuple) or len(value) != 3:
        return False
    return [isinstance(part, int) for part in value] in ([True, True, False], [False, True, True])


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _order(entity: Entity) -> tuple[int, int, str]:
    return (entity.start, entity.end, entity.label)


def _looks_tagged(cells: Cells) -> bool:
    return cells.value("tags") in (None, "") or isinstance(structured(cells.value("tags")), list)


def _looks_marked(cells: Cells) -> bool:
    return cells.value("entities") in (None, "") or is_spans(cells.value("entities"))


TOKENS = RowFormat(
    name="tokens",
    required={"tokens": ("tokens", "words"), "tags": ("tags", "ner_tags", "ner", "labels", "tag", "label")},
    optional={},
    make=_tokens,
    looks=_looks_tagged,
)
SPANS = RowFormat(
    name="spans",
    required={
        "text": ("text", "sentence", "content", "data"),
        "entities": ("entities", "spans", "ner", "label", "labels", "annotations"),
    },
    optional={},
    make=_spans,
    looks=_looks_marked,
)
