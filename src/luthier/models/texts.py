"""Bare texts to ids, with the way back to their characters: texts of words, and two texts read as one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Encoding, Tokenizer

WORD = re.compile(r"\w+|[^\w\s]")
"""A word is a run of letters and digits, or one mark: entities begin and end where words do."""
Places = tuple[int, int]
"""Characters [start, end) of a text."""
OVERLAP = 32
"""Tokens that neighbouring stretches of a long text share: more than an answer has."""


@dataclass(frozen=True, slots=True)
class WordedWords:
    """A text as ids, and which of them begin its words."""

    ids: tuple[int, ...]
    first: tuple[bool, ...]
    """Same length as `ids`: True on the first sub-word of every word."""
    words: tuple[Places, ...]
    """Characters of the words that have a token of their own: one for every True, in order."""


@dataclass(frozen=True, slots=True)
class WordedPair:
    """Two texts as one sequence of ids."""

    ids: tuple[int, ...]
    ends: tuple[int, int]
    """Where each of them ends in `ids`, with the special token that closes it."""
    places: tuple[Places | None, ...]
    """Same length as `ids`: characters of the second text that a token stands for; None for other tokens."""

    def tokens_of(self, start: int, end: int) -> Places | None:
        """First and last token of the characters [start, end) of the second text; None if a token reaches beyond."""
        found = [
            token
            for token, place in enumerate(self.places)
            if place is not None and place[0] < end and place[1] > start
        ]
        if not found or self.characters_of(found[0], found[-1]) != (start, end):
            return None
        return found[0], found[-1]

    def characters_of(self, first: int, last: int) -> Places | None:
        """Characters of the second text from a first to a last token; None if they are not of it, or the wrong way
        round.
        """
        left, right = self.places[first], self.places[last]
        return None if left is None or right is None or first > last else (left[0], right[1])


@dataclass(frozen=True, slots=True)
class PairWindow:
    """A stretch of the second text, read beside the first."""

    start: int
    """Character of the second text at which it begins."""
    text: str
    pair: WordedPair

    def holds(self, start: int, end: int) -> bool:
        """Whether the characters [start, end) of the second text stand wholly in it."""
        return self.start <= start and end <= self.start + len(self.text)


def special_ids(tokenizer: Tokenizer) -> set[int]:
    """Ids of tokens that stand for no text: `[CLS]`, `[MASK]`, and `[UNK]` for what the tokenizer cannot say."""
    return {place for place, token in tokenizer.get_added_tokens_decoder().items() if token.special}


def word_ids(tokenizer: Tokenizer, text: str) -> WordedWords:
    """Ids of a text with the tokenizer's own special tokens; every word is told by its first token.

    A word whose letters all stand in the token of an earlier word, or in none, cannot be told.
    """
    encoding = tokenizer.encode(text)
    words = [found.span() for found in WORD.finditer(text)]
    first, own = [False] * len(encoding.ids), []
    at = 0
    for token, (start, end) in enumerate(_places(encoding, text)):
        while at < len(words) and words[at][1] <= start:
            at += 1
        if start < end and at < len(words) and words[at][0] < end:
            first[token] = True
            own.append(words[at])
            while at < len(words) and words[at][0] < end:
                at += 1
    return WordedWords(tuple(encoding.ids), tuple(first), tuple(own))


def pair_ids(tokenizer: Tokenizer, first: str, second: str) -> WordedPair:
    """Two texts as the tokenizer's own pair; where it would put no token between them, a line break."""
    alone = tokenizer.encode(first).ids
    encoding = tokenizer.encode(first, second)
    shift = 0
    if not any(encoding.special_tokens_mask[1:-1]):
        second, shift = f"\n{second}", 1
        encoding = tokenizer.encode(first, second)
    end = len(alone)
    assert encoding.ids[:end] == alone, "a pair does not begin as its first text alone"
    own = [token for token, sequence in enumerate(encoding.sequence_ids) if sequence == 1]
    places: list[Places | None] = [None] * len(encoding.ids)
    for token, (start, stop) in zip(own, _spans([encoding.offsets[token] for token in own], second), strict=True):
        if start < stop and start >= shift:
            places[token] = start - shift, stop - shift
    return WordedPair(tuple(encoding.ids), (end, len(encoding.ids)), tuple(places))


def pair_windows(tokenizer: Tokenizer, first: str, second: str, *, limit: int) -> list[PairWindow]:
    """Both texts as one, or where they are longer than `limit` tokens the first with stretches of the second, cut
    between words. What follows another stretch begins `OVERLAP` tokens or more before that one's end, so whatever is
    as short stands whole in one of them (Devlin et al. 2018, in the code for arXiv:1810.04805). Empty if the first
    text leaves no room.
    """
    whole = pair_ids(tokenizer, first, second)
    if len(whole.ids) <= limit:
        return [PairWindow(0, second, whole)]
    own = [(token, *place) for token, place in enumerate(whole.places) if place is not None]
    room = limit - (len(whole.ids) - (own[-1][0] - own[0][0] + 1)) if own else 0
    if room < 2 * OVERLAP:
        return []
    cuts = [0, *(place for place in range(1, len(own)) if own[place - 1][2] < own[place][1]), len(own)]
    windows: list[PairWindow] = []
    begin, end = 0, 0
    while end < len(own):
        fitting = [cut for cut in cuts if end < cut and own[cut - 1][0] - own[begin][0] < room]
        found = None
        for end in reversed(fitting):
            start = own[begin][1]
            text = second[start : own[end - 1][2]]
            found = PairWindow(start, text, pair_ids(tokenizer, first, text))
            if len(found.pair.ids) <= limit:
                break
        if found is None or len(found.pair.ids) > limit:
            return []
        windows.append(found)
        begin = max(cut for cut in cuts if cut < end and own[end - 1][0] - own[cut][0] + 1 >= OVERLAP)
    return windows


def _places(encoding: Encoding, text: str) -> list[Places]:
    offsets = [
        (0, 0) if special else place
        for place, special in zip(encoding.offsets, encoding.special_tokens_mask, strict=True)
    ]
    return _spans(offsets, text)


def _spans(offsets: Sequence[Places], text: str) -> list[Places]:
    """Characters of tokens without the white space around them; empty for tokens that stand for nothing else."""
    found = []
    for start, end in offsets:
        part = text[start:end]
        left = start + len(part) - len(part.lstrip())
        found.append((left, max(left, start + len(part.rstrip()))))
    return found
