"""Texts with entities: in windows cut at white space that parts no entity, one BIO label for every word."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from luthier.models.spans import bio_of, entities_in, entity_text
from luthier.models.texts import WORD
from luthier.prepare.reading import TOO_LONG, Desk, Reading, bare, numbered
from luthier.records import Entity, Tags

SPACE = re.compile(r"\s+")
OVERLAP = "two of its entities overlap, and a word has one tag"
UNALIGNED = "an entity begins or ends inside a word"
UNTOLD = "the tokenizer does not tell an entity from the word beside it"
NO_WORD = "no word, so there is nothing to tag"


def read(tags: Tags, desk: Desk) -> Sequence[Reading | str]:
    """The text, or windows of it, with its tags."""
    entities = tuple(sorted(tags.entities, key=lambda one: (one.start, one.end)))
    if any(one.end > other.start for one, other in pairwise(entities)):
        return [OVERLAP]
    windows = list(_windows(tags.text, entities, desk))
    if None in windows or (len(windows) > 1 and desk.frame.keeps_whole):
        return [TOO_LONG]
    found = [window if isinstance(window, str) else _read(*window, desk) for window in windows if window is not None]
    names = iter(numbered([one for one in found if isinstance(one, Reading)]))
    return [one if isinstance(one, str) else next(names) for one in found]


def _read(text: str, entities: Sequence[Entity], desk: Desk) -> Reading | str:
    words = [found.span() for found in WORD.finditer(text)]
    starts, ends = {start for start, _ in words}, {end for _, end in words}
    if any(one.start not in starts or one.end not in ends for one in entities):
        return UNALIGNED
    worded = desk.wording.word_ids(text)
    if not worded.words:
        return NO_WORD
    names = bio_of(entities, worded.words)
    if entities_in(names, worded.words) != tuple(entities):
        return UNTOLD
    golds = tuple(map(entity_text, entities))
    row = desk.row(worded.ids, worded.first)
    return Reading(desk.one, row, bare([text]), golds, texts=(text,), names=tuple(names))


def _windows(text: str, entities: tuple[Entity, ...], desk: Desk) -> Iterator[tuple[str, tuple[Entity, ...]] | None]:
    """The whole text, or halves of halves of it, each with its entities; None for a part that cannot be cut."""
    if len(desk.wording.text_ids(text)) <= desk.frame.limit:
        yield text, entities
        return
    spaces = [space for space in SPACE.finditer(text) if space.start() > 0 and space.end() < len(text)]
    free = [
        space for space in spaces if not any(one.start < space.end() and one.end > space.start() for one in entities)
    ]
    if not free:
        yield None
        return
    cut = min(free, key=lambda space: (abs(space.start() - len(text) // 2), space.start()))
    yield from _windows(text[: cut.start()], tuple(one for one in entities if one.end <= cut.start()), desk)
    behind = cut.end()
    moved = (Entity(one.start - behind, one.end - behind, one.label) for one in entities if one.start >= behind)
    yield from _windows(text[behind:], tuple(moved), desk)
