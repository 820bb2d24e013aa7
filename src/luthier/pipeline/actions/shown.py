"""What an action hands to a surface: plain values and the same in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer for a program and for a person. `well` False is a finding that a command ends with 1."""

    values: Mapping[str, Any]
    text: str
    well: bool = True
