"""Lines and paragraphs that stand in many files of a source: headers, footers, navigation, notices."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import xxhash

from luthier.prepare.clean.texts import CleanInput, Repeated, Span

LINE = re.compile(r"[^\n]*\n|[^\n]+")
DIGITS = re.compile(r"\d+")
SAYS_SOMETHING = re.compile(r"\b\w++\W++\w++\W++\w")
"""Three words. Shorter lines are headings and code ("See also", "return None"), alike because documents are."""
LETTER = re.compile(r"[^\W\d_]")
MARKED = re.compile(r"\s*(?:>>>|\.\.\.|\$ |#|\|)")
"""Lines of examples, headings and tables."""
FURNITURE = re.compile(
    r"page|seite|página|pagina|copyright|©|\(c\)|rights reserved|printed|version|revision|\brev\b|updated|modified|"
    r"\s[>»|]\s|\b\d{1,4}\s*(?:/|of|von|de|di|sur)\s*\d{1,4}\b|\b\d{4}-\d\d-\d\d\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b",
    re.IGNORECASE,
)
"""What lines say whose numbers may differ between files. Elsewhere the number is the fact: "Supply voltage 24 V"."""


@dataclass(slots=True)
class _Seen:
    """One masked line or paragraph, and where it stood first."""

    row: CleanInput
    start: int
    end: int
    last_file: str
    spelling: int
    files: int = 1
    varies: bool = False
    """True if its digits differ somewhere."""


@dataclass(frozen=True, slots=True)
class Boilerplate:
    """What repeats in one source."""

    keys: frozenset[int]
    shown: list[Repeated]
    """Most frequent first."""


def find_boilerplate(texts: Sequence[CleanInput], *, share: float, min_files: int) -> Boilerplate:
    """Lines and paragraphs in more than `share` of the files of one source, digits masked.

    A source of fewer than `min_files` files has no boilerplate; code and tables are passed over.
    """
    ordered = sorted(texts, key=lambda one: (one.file, one.id))
    files = len({one.file for one in ordered})
    if files < min_files:
        return Boilerplate(frozenset(), [])
    seen: dict[int, _Seen] = {}
    for one in ordered:
        _count(seen, one)
    keys, shown = set(), []
    for key, unit in seen.items():
        text = unit.row.text[unit.start : unit.end].strip()
        if unit.files > share * files and _is_furniture(text, varies=unit.varies):
            keys.add(key)
            shown.append(Repeated(ordered[0].source, text, files=unit.files, of=files))
    return Boilerplate(frozenset(keys), sorted(shown, key=lambda repeated: (-repeated.files, repeated.text)))


def boilerplate_spans(one: CleanInput, *, keys: frozenset[int]) -> list[Span]:
    """Ascending, disjoint spans to cut, with the line breaks that belong to them."""
    spans: list[Span] = []
    for start, end, unit in units(one) if keys else ():
        if (not spans or start >= spans[-1][1]) and unit_key(unit) in keys:
            spans.append((start, end))
    return spans


def units(one: CleanInput) -> Iterator[tuple[int, int, str]]:
    """Paragraphs of several lines, each followed by its lines: start, end, text."""
    if one.fixed and one.fixed[0][0] == 0 and one.fixed[0][1] >= len(one.text):
        return
    for start, end, lines in _paragraphs(one.text):
        for first, last in [(start, end), *lines] if len(lines) > 1 else lines:
            if not one.fixed or not _overlaps(one.fixed, first, last):
                yield first, last, one.text[first:last]


def _paragraphs(text: str) -> Iterator[tuple[int, int, list[Span]]]:
    """Start and end, with the blank lines after it, and lines of every paragraph."""
    lines: list[Span] = []
    end = 0
    for line in LINE.finditer(text):
        blank = line[0].isspace()
        if lines and not blank and lines[-1][1] < end:
            yield lines[0][0], end, lines
            lines = []
        if not blank:
            lines.append(line.span())
        end = line.end()
    if lines:
        yield lines[0][0], end, lines


def _is_furniture(unit: str, *, varies: bool) -> bool:
    """True for lines that say something, are no example, heading or table, and hold no facts that differ."""
    if MARKED.match(unit) or not LETTER.search(unit) or not SAYS_SOMETHING.search(unit):
        return False
    return not varies or FURNITURE.search(unit) is not None


def unit_key(unit: str) -> int:
    """What equal lines share: digits masked, white space folded."""
    return _hash(DIGITS.sub("0", " ".join(unit.split())))


def _count(seen: dict[int, _Seen], one: CleanInput) -> None:
    for start, end, unit in units(one):
        folded = " ".join(unit.split())
        masked = DIGITS.sub("0", folded)
        key = _hash(masked)
        spelling = key if masked == folded else _hash(folded)
        known = seen.get(key)
        if known is None:
            seen[key] = _Seen(one, start, end, last_file=one.file, spelling=spelling)
            continue
        known.files += known.last_file != one.file
        known.last_file = one.file
        known.varies = known.varies or known.spelling != spelling


def _hash(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


def _overlaps(spans: Sequence[Span], start: int, end: int) -> bool:
    following = bisect_right(spans, start, key=lambda span: span[1])
    return following < len(spans) and spans[following][0] < end
