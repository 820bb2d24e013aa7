"""Settings of the prepare stage."""

from typing import Literal

from luthier.config import Settings


class SplitConfig(Settings):
    """How examples are divided. Groups are never cut."""

    group_by: str | None = None
    """Column whose equal values stay together; `code[:3]` takes its first 3 characters; `question` groups equal
    questions only. None: everything from one file stays together."""
    validation: float = 0.08
    """Share of groups for validation, 0 to 1."""
    exam: float = 0.12
    """Share of groups for the exam, 0 to 1."""
    items_per_group: int = 5
    """At most this many exam items from one group; surplus leaves by item id."""
    seed: int = 0


class PrepareConfig(Settings):
    """How examples become what the model reads."""

    system: str | None = None
    """System message put before every conversation that has none."""
    instruction: str | None = None
    """Text put before every question (chat); not used by classify."""
    split: SplitConfig = SplitConfig()
    max_length: int | Literal["auto"] = "auto"
    """Longest row in tokens; `auto`: the smaller of 2,048 and what the base can read."""
    over_length: Literal["stop", "drop", "shorten"] = "stop"
    """What to do with longer rows. `shorten`: chat drops its oldest turns, classify keeps head and tail."""
