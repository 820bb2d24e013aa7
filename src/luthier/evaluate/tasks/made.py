"""Which file asks the items that were made from documents, and those that do not decide."""

from collections.abc import Sequence

from luthier.evaluate.further import METRICS, Further, further_tasks
from luthier.evaluate.sitting import Room, Sit
from luthier.evaluate.tasks import choice, likelihood, numeric
from luthier.records import Item

SITS: dict[str, Sit] = {"p_gold": choice.sit, "numeric_match": numeric.sit, "bits_per_byte": likelihood.sit}
"""By metric."""


def sit_further(items: Sequence[Item], deciding: Sequence[Item], room: Room) -> list[Further]:
    """Base and tuned answer every task that does not decide."""
    found = []
    for (claim, task), asked in further_tasks(items, deciding).items():
        sitting = SITS[METRICS[task]](asked, room)
        found.append(Further(claim, task, asked, sitting.base, sitting.tuned))
    return found
