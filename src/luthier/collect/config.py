"""Settings of the collect stage."""

from typing import Literal

from pydantic import Field

from luthier.config import Settings

Format = Literal["openai", "alpaca", "prompt", "qa", "label", "text"]


class CollectConfig(Settings):
    """What to read and how to understand it."""

    sources: list[str]
    """Files or folders, relative to the project file."""
    format: Format | Literal["auto"] = "auto"
    """What kind of rows the row files hold; `auto` looks at the columns of each file."""
    columns: dict[str, list[str] | str] = Field(default_factory=dict)
    """Role -> column name or names, where they are not the usual ones.
    Roles: question, context, answer, text, label."""
    bad_rows: float = 0.01
    """Share of bad rows that is accepted, 0 to 1; above it the run stops."""
    accept_losses: bool = False
    """Go on although more than 20 % of the bytes could not be read."""
