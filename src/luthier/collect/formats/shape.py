"""What every row format is made of: roles, the names a column may have for them, and how a row becomes an example."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from luthier.records import Chat, Label, Origin, Text

Values = Mapping[str, Any]
"""Role -> cell; a role without a column is absent."""


@dataclass(frozen=True, slots=True)
class RowFormat:
    """One kind of row."""

    name: str
    required: Mapping[str, tuple[str, ...]]
    """Role -> the usual names of its column, best first. The format fits when every role has a column."""
    optional: Mapping[str, tuple[str, ...]]
    make: Callable[[Values, Origin], Chat | Label | Text]
    """Raises BadRowError with the reason."""
    is_fallback: bool = False
    """True: gives way to every other format that fits."""
