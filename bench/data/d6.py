"""D6: are planted leaks found, and is a clean exam left alone?

4,000 training rows and 800 exam items about different invented machines; 100 leaks of each kind are planted: the same
question (other capitals and spaces), an edited copy at Jaccard 0.7 or more, a child of the item's row or chunk, and
the same fact asked by another template. Half of the items are short facts whose templates and values both sides
share; half are procedures, many of them with the same advice. Truth is what was planted.
"""

import json
from collections import Counter

from bench.data._leaky_split import PLANTS, leaky_split
from bench.record import Asked, Outcome, run_bench, say

from luthier.prepare.leaks import find_leaks, find_reworded

TRAINED, ASKED, PLANTED = 4_000, 800, 100
REWORDED, FALSE_ALARMS = 0.9, 0.01


def measure(asked: Asked) -> Outcome:
    """One split; the quick form is a quarter of it."""
    size = 4 if asked.quick else 1
    split = leaky_split(asked.seed, trained=TRAINED // size, asked=ASKED // size, planted=PLANTED // size)
    leaks = find_leaks(split.trained, split.asked)
    listed = find_reworded(split.trained, split.asked)
    sure, maybe = {leak.item for leak in leaks}, {one.item for one in listed}
    planted = Counter(split.planted.values())
    caught = Counter(kind for item, kind in split.planted.items() if item in (maybe if kind == "reworded" else sure))
    recall = {kind: caught[kind] / planted[kind] for kind in PLANTS}
    clean = {item.name for item in split.asked} - set(split.planted)
    alarms = {"sure": len(clean & sure) / len(clean), "review": len(clean & maybe) / len(clean)}
    value = {"recall": recall, "false_alarms": len(clean & (sure | maybe)) / len(clean)}
    say(json.dumps({**value, **alarms, "kinds": Counter(leak.kind for leak in leaks)}))
    return Outcome(
        holds=all(recall[kind] == 1 for kind in PLANTS if kind != "reworded")
        and recall["reworded"] >= REWORDED
        and value["false_alarms"] <= FALSE_ALARMS,
        value=value,
        bar="exact, near, child 1; reworded >= 0.9; false alarms <= 0.01 of the clean items",
        detail={"alarms": alarms, "clean": len(clean), "trained": len(split.trained)},
    )


if __name__ == "__main__":
    run_bench("data.d6", measure, about=__doc__)
