"""From a stream of ids to pieces of text that can be sent."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

Finish = Literal["stop", "length"]
UNFINISHED = "\ufffd"
"""What a decoder writes for the first bytes of a character whose last bytes are still to come."""


@dataclass(frozen=True, slots=True)
class Piece:
    """New text, and how many ids were generated so far. The last piece names why it is the last."""

    text: str
    tokens: int
    finish: Finish | None = None


def pieces(
    ids: Iterator[int], *, decode: Callable[[Sequence[int]], str], max_tokens: int, stop: Sequence[str] = ()
) -> Iterator[Piece]:
    """Yield text as soon as no later id can change it; joined, it is `decode` of all ids, cut before a stop string.

    The whole answer is decoded again for every id: a token's text may depend on the ones before it.
    """
    seen: list[int] = []
    sent = ""
    with closing(_closable(ids)) as source:
        for token in source:
            seen.append(token)
            text = decode(seen)
            cut = _first_stop(text, stop)
            if cut is not None:
                yield Piece(text[len(sent) : max(cut, len(sent))], len(seen), "stop")
                return
            ready = _settled(text, stop)
            if len(ready) > len(sent) and ready.startswith(sent):
                yield Piece(ready[len(sent) :], len(seen))
                sent = ready
    text = decode(seen)
    rest = text[len(sent) :] if text.startswith(sent) else ""
    yield Piece(rest, len(seen), "length" if len(seen) >= max_tokens else "stop")


def _first_stop(text: str, stop: Sequence[str]) -> int | None:
    """Where the stop string begins that is complete first, however many letters come at once."""
    found = [(place + len(end), place) for end in stop if (place := text.find(end)) >= 0]
    return min(found)[1] if found else None


def _settled(text: str, stop: Sequence[str]) -> str:
    """The part of `text` that is neither half a character nor the possible start of a stop string."""
    text = text.rstrip(UNFINISHED)
    longest = 0
    for end in stop:
        for size in range(min(len(end) - 1, len(text)), longest, -1):
            if text.endswith(end[:size]):
                longest = size
                break
    return text[: len(text) - longest]


def _closable(ids: Iterator[int]) -> Any:
    return ids if hasattr(ids, "close") else (token for token in ids)
