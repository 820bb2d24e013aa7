"""What goes into cleaning and what comes out of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from luthier.prepare.clean.offsets import OffsetMap
from luthier.prepare.clean.thresholds import Rule

Span = tuple[int, int]
"""Characters [start, end) of a text."""


@dataclass(frozen=True, slots=True)
class CleanInput:
    """A document or chunk, or a question with its answer."""

    id: str
    """Unique among the texts of one call; orders every sample."""
    source: str
    """What caps and boilerplate are counted over: the folder or the row file it came from."""
    file: str
    text: str
    """The document's text, or the question."""
    answer: str | None = None
    """None for documents and chunks."""
    is_written: bool = True
    """False if the answer was not written to the text, as a passage, a label or a bad answer is not: what goes wrong in
    writing is then not looked for."""
    fixed: tuple[Span, ...] = ()
    """Ascending spans of `text` that hold code or tables: mended, but never cut, nor read as prose."""

    @property
    def size(self) -> int:
        """UTF-8 bytes of text and answer."""
        return sum(len(part.encode("utf-8", "surrogatepass")) for part in (self.text, self.answer or ""))


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row in quarantine."""

    id: str
    rule: str
    score: float
    """What the rule measured: letters, a share from 0 to 1, or a probability; 1 where there is nothing to measure."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """A row that stands for a rule on the data sheet."""

    id: str
    score: float
    excerpt: str


@dataclass(frozen=True, slots=True)
class Applied:
    """What one rule wanted from one source, and whether it got it."""

    rule: Rule
    source: str
    wanted: int
    """Rows on which the rule fired; for boilerplate, rows that would be cut."""
    taken: int
    """Rows that left by this rule, or were cut; a row leaves by the first rule that fires."""
    share: float
    """Wanted bytes of the source's bytes, 0 to 1."""
    held: str | None
    """Why nothing was taken: the cap, too few rows, or `keep`; None if the rule acted."""
    setting: str
    """The line that undoes what was done, or consents to what was not."""
    samples: Sequence[Sample]


@dataclass(frozen=True, slots=True)
class Repeated:
    """One line or paragraph of boilerplate."""

    source: str
    text: str
    """As it stands in the first file."""
    files: int
    of: int
    """Files of the source."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Kept rows in the order given, and an account of everything that was done to them and to the others."""

    kept: Sequence[CleanInput]
    """With mended and cut texts."""
    dropped: Sequence[Dropped]
    edits: Mapping[str, OffsetMap]
    """Row id -> map from the cleaned to the given `text`, for kept rows whose text was edited."""
    applied: Sequence[Applied]
    """One entry per rule and source on which it fired."""
    boilerplate: Sequence[Repeated]
    languages: Mapping[str, int]
    """Language -> rows, most frequent first; `unknown` where there is too little prose to tell."""

    @property
    def capped(self) -> Sequence[Applied]:
        """Rules that were held back."""
        return [one for one in self.applied if one.held is not None]
