"""The learning rate of each step."""

import math


def rate_factor(step: int, *, steps: int, warmup: float) -> float:
    """Linear warm-up, then half a cosine to zero (Loshchilov & Hutter 2017, arXiv:1608.03983). `step` counts from 1."""
    rising = max(1, round(warmup * steps))
    if step <= rising:
        return step / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising + 1)))
