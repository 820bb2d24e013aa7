"""Labelled texts: a long one keeps head and tail, of two texts the longer one."""

import dataclasses
from collections.abc import Callable, Sequence

from luthier.prepare.reading import TOO_LONG, Desk, Reading, bare
from luthier.records import Label, Worded

GAP = " ... "
"""What stands where the middle of a long text was."""


def read(label: Label, desk: Desk) -> Sequence[Reading | str]:
    """The text as a classifier reads it, or both texts as one."""
    texts: tuple[str, ...] = (label.text, label.second) if label.second else (label.text,)
    row, shortened = _row(texts, desk), False
    if len(row.ids) > desk.frame.limit and not desk.frame.keeps_whole:
        texts, shortened = _shortened(texts, lambda short: len(_row(short, desk).ids) <= desk.frame.limit), True
        row = _row(texts, desk)
    if len(row.ids) > desk.frame.limit:
        return [TOO_LONG]
    asked = bare(texts)
    return [Reading(desk.one, row, asked, label.labels, texts=texts, names=label.labels, shortened=shortened)]


def _row(texts: Sequence[str], desk: Desk) -> Worded:
    if len(texts) == 1:
        return desk.row(desk.wording.text_ids(texts[0]))
    pair = desk.wording.pair_ids(*texts)
    return dataclasses.replace(desk.row(pair.ids), ends=pair.ends)


def _shortened(texts: tuple[str, ...], fits: Callable[[tuple[str, ...]], bool]) -> tuple[str, ...]:
    """The longest text with equal head and tail, so that it fits with the other; nothing of it if it cannot."""
    place = max(range(len(texts)), key=lambda place: len(texts[place]))
    before, after = texts[:place], texts[place + 1 :]
    return (*before, _head_and_tail(texts[place], fits=lambda short: fits((*before, short, *after))), *after)


def _head_and_tail(text: str, *, fits: Callable[[str], bool]) -> str:
    """The longest text of equal head and tail that fits, by bisection over characters; '' if none does."""
    low, high = 0, len(text) // 2
    while low < high:
        middle = (low + high + 1) // 2
        if fits(text[:middle] + GAP + text[-middle:]):
            low = middle
        else:
            high = middle - 1
    return text[:low] + GAP + text[-low:] if low else ""
