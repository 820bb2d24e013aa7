"""Raw text: in windows that fit, to go on with or to fill in."""

from collections.abc import Iterator, Sequence

from luthier.prepare.reading import TOO_LONG, Desk, Reading, numbered
from luthier.records import Text, Worded

UNREAD = "the tokenizer makes no token of it"


def read(text: Text, desk: Desk) -> Sequence[Reading | str]:
    """The text in windows that fit; every token but the first, or but the special ones, is learnt."""
    windows = list(_windows(text.text, desk))
    if len(windows) > 1 and desk.frame.keeps_whole:
        return [TOO_LONG]
    return [window if any(window.row.trained) else UNREAD for window in numbered(windows)]


def _windows(text: str, desk: Desk) -> Iterator[Reading]:
    """The whole text, or halves of halves of it, cut at white space where there is any."""
    row = _row(text, desk)
    if len(row.ids) <= desk.frame.limit:
        yield Reading(desk.one, row, asked=(), golds=(text,), texts=(text,) if desk.frame.is_masked else ())
        return
    middle = len(text) // 2
    cut = max(text.rfind(" ", 1, middle), text.rfind("\n", 1, middle)) + 1 or middle
    for part in (text[:cut].rstrip(), text[cut:].lstrip()):
        if part:
            yield from _windows(part, desk)


def _row(text: str, desk: Desk) -> Worded:
    word = desk.wording.fill_row if desk.frame.is_masked else desk.wording.document_row
    return word(text, row_id=desk.one.id, group=desk.group, at=desk.one.at)
