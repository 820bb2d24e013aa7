"""Numbering of Word documents: the label that Word shows before a paragraph."""

from collections import defaultdict
from dataclasses import dataclass, field

from luthier.collect.readers.office_xml import Element, W, value_at, whole_number

BULLET = "-"
ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"))
ROMAN_SMALL = ((50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a list: how its numbers look."""

    style: str
    pattern: str
    """`%1.%2` stands for the numbers of level 1 and 2."""
    start: int


@dataclass(slots=True)
class Numbering:
    """The lists of one document and how far each has counted."""

    levels: dict[tuple[str, int], Level] = field(default_factory=dict)
    """(list id, level from 0) -> its looks."""
    abstract: dict[str, str] = field(default_factory=dict)
    """List id -> the definition it counts along with."""
    counts: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))

    def label(self, number_id: str, depth: int) -> str:
        """The label of the next paragraph of a list: `-`, `3.2`, `b)`, or nothing."""
        level = self.levels.get((number_id, depth))
        if level is None:
            return "" if number_id == "0" else BULLET
        # Lists that restart have a definition of their own in Word's files, or a start override.
        counts = self.counts[self.abstract[number_id]]
        counts[depth] = counts.get(depth, level.start - 1) + 1
        for deeper in [other for other in counts if other > depth]:
            del counts[deeper]
        if level.style == "bullet":
            return BULLET
        return self._written(number_id, depth, counts) if level.style != "none" else ""

    def _written(self, number_id: str, depth: int, counts: dict[int, int]) -> str:
        text = self.levels[number_id, depth].pattern
        for outer in range(depth + 1):
            level = self.levels.get((number_id, outer))
            if level is not None and f"%{outer + 1}" in text:
                text = text.replace(f"%{outer + 1}", written_number(counts.get(outer, level.start), level.style))
        return text.strip()


def read_numbering(root: Element | None) -> Numbering:
    """The lists that `numbering.xml` defines; none without one."""
    found = Numbering()
    if root is None:
        return found
    abstract = {one.get(f"{W}abstractNumId"): one for one in root.iter(f"{W}abstractNum")}
    for number in root.iter(f"{W}num"):
        number_id, base = number.get(f"{W}numId"), value_at(number, "abstractNumId")
        overrides = {one.get(f"{W}ilvl"): one for one in number.iter(f"{W}lvlOverride")}
        found.abstract[number_id] = number_id if overrides else base
        definition = abstract.get(base)
        for level in definition.iter(f"{W}lvl") if definition is not None else ():
            depth = level.get(f"{W}ilvl")
            found.levels[number_id, whole_number(depth, otherwise=0)] = _read_level(level, overrides.get(depth))
    return found


def written_number(number: int, style: str) -> str:
    """A number in one of Word's styles; unknown ones count in digits."""
    if style in {"lowerLetter", "upperLetter"} and number > 0:
        letter = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letter.upper() if style == "upperLetter" else letter
    if style in {"lowerRoman", "upperRoman"} and 0 < number < 4000:
        letters = ""
        for value, letter in (*ROMAN, *ROMAN_SMALL):
            count, number = divmod(number, value)
            letters += letter * count
        return letters.upper() if style == "upperRoman" else letters
    return f"{number:02d}" if style == "decimalZero" else str(number)


def _read_level(level: Element, override: Element | None) -> Level:
    start = value_at(level, "start")
    if override is not None:
        start = value_at(override, "startOverride") or start
    pattern = value_at(level, "lvlText") or ""
    return Level(style=value_at(level, "numFmt") or "decimal", pattern=pattern, start=whole_number(start, otherwise=1))
