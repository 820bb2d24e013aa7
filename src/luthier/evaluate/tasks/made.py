"""Which file asks the items that were made from documents, and those that do not decide."""

from collections.abc import Sequence
from dataclasses import replace

from luthier.evaluate.cost import Meter
from luthier.evaluate.further import METRICS, Further, further_tasks
from luthier.evaluate.sitting import Room, Sit
from luthier.evaluate.tasks import choice, likelihood, numeric
from luthier.records import Item

SITS: dict[str, Sit] = {"p_gold": choice.sit, "numeric_match": numeric.sit, "bits_per_byte": likelihood.sit}
"""By metric."""


def sit_further(items: Sequence[Item], deciding: Sequence[Item], room: Room) -> list[Further]:
    """Every task that does not decide is answered by the arms that the plan names for it."""
    arms = {(row["claim"], row["task"]): row["arms"] for row in room.plan["further"]}
    found = []
    for (claim, task), asked in further_tasks(items, deciding).items():
        # The clock of the items that decide goes on for them alone.
        own = replace(room, plan={**room.plan, "arms": arms[claim, task]}, meter=Meter())
        sitting = SITS[METRICS[task]](asked, own)
        found.append(Further(claim, task, asked, sitting.base, sitting.tuned, sitting.rivals))
    return found
