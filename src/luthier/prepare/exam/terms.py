"""Terms of a text that a question can leave out: numbers, quantities, names and rare words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "quantity", "name", "capitals", "word"]
KINDS: tuple[Kind, ...] = ("quantity", "number", "name", "capitals", "word")
UNITS = (
    "B|kB|KB|MB|GB|TB|KiB|MiB|GiB|bits?|bytes?|ms|s|seconds?|minutes?|hours?|days?|weeks?|months?|years?|mm|cm|m|km|g|"
    "mg|kg|t|ml|l|V|A|W|kW|MW|Hz|kHz|MHz|GHz|bar|Pa|kPa|°C|°F|K|Nm|N|rpm|dB|EUR|USD|euros?|dollars?|percent|"
    "characters?|pages?|columns?|rows?|tables?"
)
QUANTITY = rf"(?P<value>\d[\d.,]*)\s?(?P<unit>%|(?:{UNITS})\b)"
TERM = re.compile(
    rf"(?<![\w.,$/=<>:+*'\"`\[-])(?:(?P<quantity>{QUANTITY})|(?P<number>\d[\d.,]*)|"
    r"(?P<name>[A-Za-z]\w*_\w+(?:\(\))?|[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*|\w+\(\))|"
    r"(?P<capitals>[A-Z]{3,})|(?P<word>[a-z]{6,}))(?![\w/=<>*'\"`(\]-])"
)
REFERENCE = re.compile(
    r"(?:section|chapter|table|figure|part|appendix|page|version|release|step|example|item|note|no|rfc|postgresql)"
    r"[ .]*$",
    re.IGNORECASE,
)
"""Before a number that only numbers something."""
ENDINGS = ("ing", "ed", "ly", "ion", "ions", "ment", "able", "ible", "al", "ous", "ive", "ity", "er", "ers", "s")


@dataclass(frozen=True, slots=True)
class Term:
    """Characters [start, end) of a text and what they are."""

    start: int
    end: int
    text: str
    kind: Kind
    like: str
    """What terms must share to stand for each other: kind, size of a number, ending of a word."""
    unit: str = ""
    """Of a quantity, with the space before it."""


def terms_in(text: str, start: int, end: int) -> Iterator[Term]:
    """Every term in characters [start, end) of a text."""
    for match in TERM.finditer(text, start, end):
        kind = next(kind for kind in KINDS if match[kind])
        said = match[0].rstrip(".,")
        if kind in {"number", "quantity"} and REFERENCE.search(text, max(start, match.start() - 20), match.start()):
            continue
        if kind == "quantity":
            value = match["value"].rstrip(".,")
            yield Term(match.start(), match.end(), said, kind, _size(value), said[len(value) :])
        else:
            yield Term(match.start(), match.start() + len(said), said, kind, _like(kind, said))


def _like(kind: Kind, said: str) -> str:
    match kind:
        case "number":
            return _size(said)
        case "word":
            return "word" + next((ending for ending in ENDINGS if said.endswith(ending)), "")
        case "name":
            return f"name{'()' * said.endswith('()')}{'_' * ('_' in said)}{said[0].isupper()}"
        case _:
            return kind


def _size(value: str) -> str:
    """Numbers with as many digits, and a fraction or none, are alike."""
    return f"{sum(letter.isdigit() for letter in value)} digits{'.' * ('.' in value)}"
