"""Who is to be forgotten: codes and rows that prepare leaves out, kept beside the key of the pseudonyms."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from luthier.artifacts.canonical import sha256_of
from luthier.artifacts.storage import write_atomic
from luthier.errors import UserError
from luthier.prepare.private.config import PrivateConfig

FORGET_LIST = "forget.txt"
HEADER = "# Codes and rows of persons to be forgotten. `luthier prepare` leaves them out under the rule `forgotten`.\n"


@dataclass(frozen=True, slots=True)
class ForgetList:
    """Pseudonyms without brackets, and ids of rows that were found by lineage."""

    codes: frozenset[str] = frozenset()
    rows: frozenset[str] = frozenset()

    @property
    def digest(self) -> str | None:
        """What a stage key must know of it; None for an empty list."""
        if not self.codes and not self.rows:
            return None
        return sha256_of({"codes": sorted(self.codes), "rows": sorted(self.rows)})

    def holds(self, row: str, texts: Iterable[str]) -> bool:
        """Whether a row must leave: by its id, or by a code in one of its masked texts."""
        if row in self.rows:
            return True
        return bool(self.codes) and any(f"[{code}]" in text for text in texts for code in self.codes)

    def joined(self, other: "ForgetList") -> "ForgetList":
        """Both lists as one."""
        return ForgetList(self.codes | other.codes, self.rows | other.rows)


def forget_list_path(config: PrivateConfig, *, home: Path) -> Path:
    """Where a project keeps the list."""
    return (home / config.key).with_name(FORGET_LIST)


def read_forget_list(path: Path) -> ForgetList:
    """Read the list; a missing file is an empty one. UserError naming the line that cannot be understood."""
    if not path.is_file():
        return ForgetList()
    found: dict[str, set[str]] = {"code": set(), "row": set()}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        kind, _, value = line.partition(" ")
        if not line.strip() or line.startswith("#"):
            continue
        if kind not in found or not value:
            raise UserError(f"{path}:{number}: '{line}' is neither `code CODE` nor `row ID`. Mend or remove the line.")
        found[kind].add(value.strip())
    return ForgetList(frozenset(found["code"]), frozenset(found["row"]))


def write_forget_list(path: Path, forgotten: ForgetList) -> None:
    """Write the list in order, in one step."""
    lines = [
        *(f"code {code}\n" for code in sorted(forgotten.codes)),
        *(f"row {row}\n" for row in sorted(forgotten.rows)),
    ]
    write_atomic(path, "".join([HEADER, *lines]).encode())
