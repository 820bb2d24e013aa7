"""Files that must never be learnt from, such as the customer's own benchmark: their rows leave, and what tells them."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from luthier.artifacts.folders import CorpusDir
from luthier.artifacts.tables import read_table
from luthier.errors import UserError
from luthier.prepare.candidate import Books, Candidate, candidate
from luthier.prepare.leaks import find_leaks, told
from luthier.prepare.material import Rooted
from luthier.prepare.treat import Treated

HELD_OUT = "in a file that split.held_out names"
GIVEN_AWAY = "gives away a row of a file that split.held_out names"
SHOWN = 8


def held_out_files(corpus: CorpusDir, patterns: Sequence[str]) -> dict[str, frozenset[str]]:
    """Pattern -> the files of the ledger that it names, those inside them, and other files with the same bytes."""
    entries = read_table(corpus.file("files.parquet")) if patterns else []
    paths = [entry["path"] for entry in entries]
    found = {}
    for pattern in patterns:
        digests = {entry["sha256"] for entry in entries if _names(pattern, entry["path"])} - {""}
        copies = {entry["path"] for entry in entries if entry["sha256"] in digests}
        found[pattern] = frozenset(path for path in paths if any(_names(one, path) for one in (pattern, *copies)))
    return found


def set_apart(
    treated: Sequence[Treated], files: Mapping[str, frozenset[str]], *, books: Books
) -> tuple[list[Treated], list[Treated]]:
    """What may be learnt from, and what comes from held-out files, which goes to the books.

    UserError for a pattern from whose files nothing was read: it would protect nothing.
    """
    read = {_file(one) for one in treated}
    for pattern, named in files.items():
        if not named & read:
            more = f" and {len(read) - SHOWN:,} more" if len(read) > SHOWN else ""
            raise UserError(
                f"prepare.split.held_out: nothing was read from '{pattern}', so it would protect nothing. Files with "
                f"rows: {', '.join(sorted(read)[:SHOWN])}{more}. Name one of them, or add the file to collect.sources."
            )
    every = frozenset[str]().union(*files.values())
    apart = [one for one in treated if _file(one) in every]
    for one in apart:
        books.drop(one.example, rule=HELD_OUT)
    return [one for one in treated if _file(one) not in every], apart


def without_given_away(candidates: Sequence[Candidate], apart: Sequence[Treated], books: Books) -> list[Candidate]:
    """The rows that give nothing of the held-out files away: not equal, near, containing one, or cut from its bytes.

    The others leave training, validation and exam alike.
    """
    # Items of their own groups: wording that many rows share gives none of them away.
    asked = [told(one, name=one.id, group=one.id) for each in apart for one in _rows(each)]
    # Named by id, because two chunks of one page have the same place.
    said = (told(one, name=one.id, group="") for one in candidates)
    telling = {leak.at for leak in find_leaks(said, asked)} if asked else set()
    books.drop_candidates((one for one in candidates if one.id in telling), rule=GIVEN_AWAY)
    return [one for one in candidates if one.id not in telling]


def _names(pattern: str, path: str) -> bool:
    """True for a file, one in a folder, or one inside an archive of this name; `*` stands for anything."""
    start = pattern.rstrip("/")
    if path == start or path.startswith((f"{start}/", f"{start}!/")):
        return True  # a name may hold characters that mean something in a pattern
    return any(fnmatchcase(path, one) for one in (start, f"{start}/*", f"{start}!/*"))


def _file(one: Treated) -> str:
    return one.item.document.file if isinstance(one.item, Rooted) else one.item.origin.file


def _rows(one: Treated) -> list[Candidate]:
    """What it asks, whatever the objective would make of it."""
    if isinstance(one.item, Rooted):
        return [candidate(text) for text in one.item.texts()]
    return [candidate(one.item)]
