"""The language of prose, by py3langid's own model (Lui and Baldwin 2012): nothing is fetched."""

import re
from collections.abc import Iterator, Sequence
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from luthier.errors import UserError
from luthier.prepare.clean.rules import UNSPACED
from luthier.prepare.clean.texts import CleanInput, Span

UNKNOWN = "unknown"
NO_LANGUAGE = "zxx"
"""What the model answers for text in no language: tables, addresses, code."""
PIECE, PIECES = 300, 3
"""Characters read at the head, the middle and the tail of long prose."""
MIN_WORDS, LETTERS = 4, 0.7
"""A line of prose has this many words, and this share of letters among its visible characters."""
NO_SPACES = re.compile(f"[{UNSPACED}]")


def check_languages(languages: Sequence[str]) -> None:
    """UserError for a code that the model does not know."""
    known = _identifier().labels
    unknown = [code for code in languages if code not in known]
    if unknown:
        raise UserError(
            f"prepare.clean.languages: cannot tell {', '.join(unknown)}. Known codes: {' '.join(sorted(known))}"
        )


def language_of(one: CleanInput, *, characters: int) -> list[tuple[str, float]]:
    """Languages of the parts of a text that hold at least `characters` of prose, each with its probability.

    An example whose parts are short is judged as a whole; nothing is answered where there is too little prose.
    """
    parts = [prose(one.text, one.fixed), *([prose(one.answer, ())] if one.answer else [])]
    long = [part for part in parts if len(part) >= characters]
    if not long and len(parts) > 1 and len("\n".join(parts)) >= characters:
        long = ["\n".join(parts)]
    return [_classify(part) for part in long]


def prose(text: str, fixed: Sequence[Span]) -> str:
    """The lines that are prose and no code or table; of long texts head, middle and tail."""
    lines = list(_prose_lines(_outside(text, fixed)))
    joined = "\n".join(lines)
    if len(joined) <= PIECE * PIECES:
        return joined
    middle = (len(joined) - PIECE) // 2
    return "\n".join((joined[:PIECE], joined[middle : middle + PIECE], joined[-PIECE:]))


def _outside(text: str, fixed: Sequence[Span]) -> str:
    if not fixed:
        return text
    places = [0, *(place for span in fixed for place in span), len(text)]
    return "\n".join(text[start:end] for start, end in zip(places[::2], places[1::2], strict=True))


def _prose_lines(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        words = line.split()
        if len(words) < MIN_WORDS and (line.isascii() or not NO_SPACES.search(line)):
            continue
        if sum(map(str.isalpha, line)) >= LETTERS * sum(map(len, words)):
            yield line.strip()


def _classify(text: str) -> tuple[str, float]:
    language, probability = _identifier().classify(text)
    return (UNKNOWN if language == NO_LANGUAGE else language), probability


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
