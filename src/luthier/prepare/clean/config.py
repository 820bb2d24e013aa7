"""Settings of cleaning: score always, remove little, show everything."""

from dataclasses import fields

from pydantic import Field

from luthier.config import Settings
from luthier.prepare.clean.thresholds import Rule, Thresholds


class CleanConfig(Settings):
    """What counts as damaged. What a rule takes out is kept in `dropped.parquet` with the rule and its score."""

    languages: list[str] | None = Field(default=None, min_length=1)
    """ISO 639-1 codes of the wanted languages, such as `[en, de]`; None: languages are counted, none is removed."""
    keep: list[Rule] = Field(default=[])
    """Rules that are switched off: what they took out comes back."""
    accept: list[Rule] = Field(default=[])
    """Rules that may take more than `cap`, and may select among few rows: you have seen their samples."""
    cap: float = Field(default=0.10, gt=0, le=1)
    """A rule that wants a larger share of a source's bytes than this, 0 to 1, removes nothing from it, unless it wants
    3 rows at most, and at most half of the source."""
    select_from: int = Field(default=2_000, ge=0)
    """With fewer rows than this only broken rows go; sound ones (another language) stay."""
    samples: int = Field(default=20, ge=1)
    """Rows shown for each rule."""
    min_letters: int = Field(default=20, ge=0)
    """A text with fewer letters is empty; never asked of questions and answers."""
    unreadable: float = Field(default=0.01, gt=0, le=1)
    """Largest share of characters that are U+FFFD, private-use, control, or wrongly decoded, after repair."""
    repeated: float = Field(default=0.5, gt=0, le=1)
    """A text is a loop from this share of characters that repeat an earlier run of `repeated_words` words."""
    repeated_words: int = Field(default=10, ge=2)
    """Words in a run, for `repeated`."""
    language_characters: int = Field(default=200, ge=1)
    """Languages are told only from texts with at least this many characters of prose."""
    language_probability: float = Field(default=0.9, gt=0, le=1)
    """Least probability of a language that is not wanted."""
    boilerplate_share: float = Field(default=0.3, gt=0, le=1)
    """A line or paragraph in a larger share of a source's files than this is cut; digits count as equal."""
    boilerplate_files: int = Field(default=5, ge=2)
    """Boilerplate is looked for in sources of at least this many files."""
    echo_characters: int = Field(default=40, ge=1)
    """A question shorter than this, without punctuation, may stand inside its answer."""
    outliers: float = Field(default=0.02, gt=0, lt=1)
    """Largest share of rows that are reported as outliers by meaning."""
    outlier_z: float = Field(default=3.5, gt=0)
    """Robust z from which a score is reported as unusual (Iglewicz and Hoaglin 1993)."""
    relevance: str | None = Field(default=None, min_length=1)
    """Source that stands for the domain; rows of other sources are scored by its words. None: off."""
    likelihood: bool = False
    """Report rows that the base model finds unusually easy or hard to foretell (nats per byte). It reads at most 2,000
    rows and 131,072 tokens, which takes minutes."""
    helpful_questions: bool = False
    """Report answers that their question does not help the base model to foretell (IFD, Li et al. 2023). It reads
    the same rows, and their answers alone."""

    prove: bool = False
    """After prepare, train three pairs of short runs with and without the rows that cleaning took out, and compare
    their bits per byte on validation rows; takes minutes. The answer is in `prove.json` and in `luthier show`."""

    def thresholds(self) -> Thresholds:
        """The same numbers for the functions behind the door."""
        kept = {field.name: getattr(self, field.name) for field in fields(Thresholds)}
        languages = None if self.languages is None else tuple(self.languages)
        return Thresholds(
            **{**kept, "languages": languages, "keep": frozenset(self.keep), "accept": frozenset(self.accept)}
        )
