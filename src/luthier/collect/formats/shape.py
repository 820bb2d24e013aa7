"""What every row format is made of: roles, the names a column may have for them, and how a row becomes an example."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from luthier.records import Example, Origin


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of one row that play a role."""

    row: Mapping[str, Any]
    columns: Mapping[str, str]
    """Role -> column; a role without a column is absent."""

    def value(self, role: str) -> Any:
        """The cell of a role, None if the table or the row has none."""
        return self.row.get(self.columns.get(role, ""))

    def name(self, role: str) -> str:
        """What the customer calls the role."""
        return self.columns.get(role, role)


def anything(cells: Cells) -> bool:
    """Every cell will do: the columns tell enough."""
    return True


@dataclass(frozen=True, slots=True)
class RowFormat:
    """One kind of row."""

    name: str
    required: Mapping[str, tuple[str, ...]]
    """Role -> the usual names of its column, best first. The format fits when every role has a column."""
    optional: Mapping[str, tuple[str, ...]]
    make: Callable[[Cells, Origin], Example]
    """Raises BadRowError with the reason."""
    looks: Callable[[Cells], bool] = anything
    """True if the cells have the shape of this format, be they right or wrong: tells formats of equal columns apart."""
    is_fallback: bool = False
    """True: gives way to every other format that fits."""
