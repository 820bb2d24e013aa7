"""Settings of the evaluate stage."""

from typing import Literal

from luthier.config import Settings


class EvaluateConfig(Settings):
    """What counts as better, and as not worse."""

    alpha: float = 0.025
    """One-sided error rate of the first look at an exam."""
    minimum_effect: float = 0.02
    """Smallest gain worth shipping (MPE), in the metric's unit (1 = all items)."""
    retention_margin: float = 0.01
    """Largest loss on general text that still counts as retained, as a share of bits per byte."""
    max_answer_tokens: int | Literal["auto"] = "auto"
    """`auto`: the longest gold answer plus 8, at least 16."""
    seed: int = 0
    """Seed of the swap test's random signs."""
