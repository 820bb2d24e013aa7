"""Documents whose every word is known: a tree of sections with a serial word in each sentence and each table row."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

PLAIN = (
    "office filter flow efficient final first fluid field profile influence reflect classify configuration specific "
    "pressure temperature maintenance installation replacement connection ventilation documentation measurement "
    "calibration lubrication transmission instrument controller inspection component assembly insulation operation "
    "emergency procedure requirement environment compressor regulator generator alternator capacitor protection "
    "pump valve motor sensor cable panel switch fuse relay gauge shaft bearing seal gasket bolt nut washer spring "
    "check close open turn clean replace remove measure record report adjust tighten release drain fill start stop "
    "daily weekly monthly yearly before after during every each within above below behind under over the a of to in "
    "and or with without from until when if only never always slowly quickly carefully again twice left right upper "
    "lower main spare hot cold dry wet clean worn damaged loose blocked noisy stable remote local manual automatic"
)
NAMES = "Pump Valve Motor Sensor Panel Relay Gauge Shaft Bearing Gasket Filter Cable Compressor Regulator"
WORK = "Installation Maintenance Calibration Inspection Operation Safety Storage Disposal Lubrication Wiring"
MEASURES = "bar mm kW V A Hz rpm kg"
WORDS, THINGS, TOPICS, UNITS = PLAIN.split(), NAMES.split(), WORK.split(), MEASURES.split()


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences that follow one another."""

    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """Items with a bullet each."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Cells under a header; the first cell of each row names it."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Part = Paragraph | Listing | Table


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its level from 1, and what stands under it."""

    title: str
    level: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """One document. The first section holds its title."""

    name: str
    sections: tuple[Section, ...]

    def sentences(self) -> Iterator[str]:
        """Every sentence and item; each holds one serial word."""
        for section in self.sections:
            for part in section.parts:
                if isinstance(part, Paragraph):
                    yield from part.sentences
                elif isinstance(part, Listing):
                    yield from part.items

    def tables(self) -> list[Table]:
        """Every table."""
        return [part for section in self.sections for part in section.parts if isinstance(part, Table)]


class Author:
    """Writes trees from a seed; no serial is given twice."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self._serials = (f"sn{number:06d}" for number in count(1))

    def tree(self, name: str, *, chapters: int, numbered: bool) -> Tree:
        """A document of chapters with sections, tables and lists."""
        title = f"{self.dice.choice(THINGS)} {self.dice.choice(TOPICS)} Handbook {self.dice.randint(100, 999)}"
        sections = [Section(title, 1, (self._paragraph(),))]
        for chapter in range(1, chapters + 1):
            sections.append(self._section(f"{chapter}" if numbered else "", level=2))
            for part in range(1, self.dice.randint(2, 4)):
                sections.append(self._section(f"{chapter}.{part}" if numbered else "", level=3))
        return Tree(name, tuple(sections))

    def sentence(self) -> str:
        """Words of plain text around a serial word."""
        words = [self.dice.choice(WORDS) for _ in range(self.dice.randint(7, 17))]
        if self.dice.random() < 0.3:
            words.insert(self.dice.randrange(1, 6), f"{self.dice.randint(1, 99)}.{self.dice.randint(0, 9)} bar")
        words.insert(self.dice.randrange(1, len(words)), next(self._serials))
        return f"{words[0].capitalize()} {' '.join(words[1:])}."

    def _section(self, number: str, *, level: int) -> Section:
        words = [self.dice.choice(THINGS), self.dice.choice(TOPICS).lower(), str(self.dice.randint(100, 999))]
        parts: list[Part] = [self._paragraph() for _ in range(self.dice.randint(1, 4))]
        if self.dice.random() < 0.4:
            parts.insert(self.dice.randint(1, len(parts)), self._table())
        if self.dice.random() < 0.4:
            items = tuple(self.sentence() for _ in range(self.dice.randint(3, 6)))
            parts.insert(self.dice.randint(1, len(parts)), Listing(items))
        return Section(" ".join([number, *words]).strip(), level, tuple(parts))

    def _paragraph(self) -> Paragraph:
        return Paragraph(tuple(self.sentence() for _ in range(self.dice.randint(3, 7))))

    def _table(self) -> Table:
        units = self.dice.sample(UNITS, self.dice.randint(2, 3))
        header = ("Part", *(f"Limit {unit}" for unit in units))
        rows = tuple(
            (f"{self.dice.choice(THINGS)} {next(self._serials)}", *(self._value() for _ in units))
            for _ in range(self.dice.randint(3, 8))
        )
        return Table(header, rows)

    def _value(self) -> str:
        if self.dice.random() < 0.5:
            return str(self.dice.randint(1, 999))
        return f"{self.dice.randint(0, 99)}.{self.dice.randint(1, 9)}"
