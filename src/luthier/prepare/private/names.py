"""Names of persons from a list the user gives."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from luthier.errors import NotFoundError, UserError
from luthier.prepare.private.view import Found, View

WORD = re.compile(r"[^\W\d_]+")
GAP = r"[\s.'-]+"


class NameFinder:
    """Finds names of a list: every word as written or in capitals, with spaces, hyphens or dots between them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names: dict[str, list[tuple[re.Pattern[str], str]]] = {}
        for name in sorted(set(filter(None, (" ".join(name.split()) for name in names))), key=len, reverse=True):
            words = WORD.findall(name)
            written, capitals = GAP.join(words), GAP.join(map(str.upper, words))
            pattern = re.compile(rf"(?:{written}|{capitals})(?![^\W_])")
            for first in {words[0], words[0].upper()}:
                self._names.setdefault(first, []).append((pattern, name_value(name)))
        # Only words that begin as some name does are looked up: of prose, those with a capital.
        letters = "".join(sorted({first[0] for first in self._names}))
        self._words = re.compile(rf"[{re.escape(letters)}][^\W\d_]*") if letters else None

    def __call__(self, view: View) -> Iterator[Found]:
        """All names of the list in a text; of two that begin together the longer one."""
        last = 0
        for word in self._words.finditer(view.text) if self._words else ():
            if (
                word.start() < last
                or word.group() not in self._names
                or view.text[max(0, word.start() - 1) : word.start()].isalpha()
            ):
                continue
            for pattern, value in self._names[word.group()]:
                match = pattern.match(view.text, word.start())
                if match is not None:
                    last = match.end()
                    yield Found("name", word.start(), last, value)
                    break


def name_value(name: str) -> str:
    """A name without its signs, in small letters: what its code is made of."""
    return " ".join(WORD.findall(name)).casefold()


def read_names(path: Path) -> NameFinder:
    """Read a file with one name per line; NotFoundError or UserError if it cannot be used."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise NotFoundError(f"{path}: no such file, and prepare.private.names asks for it") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 at byte {error.start}. Save the file as UTF-8.") from None
    for number, line in enumerate(lines, start=1):
        if line.strip() and not WORD.search(line):
            raise UserError(f"{path}:{number}: holds no letters. Write one name of a person per line.")
    return NameFinder(lines)
