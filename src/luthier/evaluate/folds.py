"""Cross-fitting: with few documents every one of them is examined, by a model that was trained without it.

The evidence is then for the procedure, not for one model.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from luthier.evaluate.arms import Arm, joined
from luthier.evaluate.asking import together
from luthier.evaluate.canaries import ask_canaries
from luthier.evaluate.config import Models
from luthier.evaluate.fold_answers import read_answers
from luthier.evaluate.further import Further, deciding
from luthier.evaluate.general import ask_tasks
from luthier.evaluate.heard import Heard, exam_facts
from luthier.evaluate.looks import OpenExam
from luthier.evaluate.metrics.spans import types_of
from luthier.evaluate.sets import draw_general, read_apart, read_sets, read_shipped
from luthier.evaluate.sitting import Room, Sitting


def join_folds(opened: OpenExam, room: Room, models: Models) -> Heard:
    """All folds' answers as one exam's, fold by fold, and what the model that ships kept of what its base could do.

    AssertionError unless the folds asked exactly the items of this exam, each once, and each document in one fold.
    """
    items = {item.id: item for item in opened.items}
    parts = [read_answers(fold, items, room.meter) for fold in models.folds]
    fold = _folds_of(parts)
    wanted = deciding(opened.items, claim=room.plan["claim"], objective=room.plan["objective"])
    asked = [item for part in parts for item in part.items]
    assert {item.id for item in asked} == {item.id for item in wanted}, "every item was asked, and no other"
    labels = _all_labels([part.labels for part in parts])
    sittings = [_renumbered(part.sitting, part.labels, labels) for part in parts]
    general = draw_general(room)
    return Heard(
        items=asked,
        sitting=replace(together(sittings), rules=_rules(sittings)),
        further=_further([one for part in parts for one in part.further]),
        labels=labels,
        likelihood={
            **read_sets(general, room),
            **_columns([part.likelihood for part in parts]),
            **read_shipped(models.tuned),
        },
        exam=_facts([part.exam for part in parts], exam_facts(room, models, [])),
        flagged=[name for part in parts for name in part.flagged],
        general=ask_tasks(room),
        apart=read_apart(general, room),
        canaries=ask_canaries(room),
        fold=fold,
        folds=[
            {**_named(part), "model": answers.manifest.inputs["model"]}
            for part, answers in zip(parts, models.folds, strict=True)
        ],
    )


def _named(part: Heard) -> dict[str, Any]:
    """A fold as the evidence tells of it."""
    about = {name: part.exam[name] for name in ("root", "dataset", "trained_on")}
    return {**about, "items": len(part.items), "rules": part.sitting.rules}


def _folds_of(parts: Sequence[Heard]) -> list[int]:
    """The fold of every item, from 1."""
    owner: dict[str, int] = {}
    asked: set[str] = set()
    found = []
    for number, part in enumerate(parts, start=1):
        for item in part.items:
            assert owner.setdefault(item.document, number) == number, f"document {item.document} is in two folds"
            assert item.id not in asked, f"item {item.id} was asked twice"
            asked.add(item.id)
            found.append(number)
    return found


def _facts(parts: Sequence[Mapping[str, Any]], whole: Mapping[str, Any]) -> dict[str, Any]:
    """What the clean gate looks at, of all folds together: each was held against the rows that its model learnt."""
    leaks: Counter[str] = Counter()
    for part in parts:
        leaks.update(part["leaks"])
    copied = {name: sum(int(part["copied"][name]) for part in parts) for name in ("items", "right")}
    copied["free"] = all(part["copied"]["free"] for part in parts)
    fits = all(part["sealed_with"] and part["trained_on"] == part["dataset"] for part in parts)
    return {**whole, "leaks": dict(leaks), "copied": copied, "sealed_with": whole["sealed_with"] and fits}


def _rules(sittings: Sequence[Sitting]) -> dict[str, Any]:
    """What was settled while asking, as far as it can be told of all folds at once."""
    limits = [each.rules["max_answer_tokens"] for each in sittings if "max_answer_tokens" in each.rules]
    caveats = dict.fromkeys(line for each in sittings for line in each.rules.get("caveats", ()))
    rules: dict[str, Any] = {"max_answer_tokens": max(limits)} if limits else {}
    return rules | ({"caveats": list(caveats)} if caveats else {})


def _columns(parts: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, list[Any]]]:
    """Set -> its columns, those of one fold behind those of another."""
    return {
        name: {column: [one for part in parts for one in part[name][column]] for column in columns}
        for name, columns in parts[0].items()
    }


def _further(told: Sequence[Further]) -> list[Further]:
    """Every further task once, in the plan's order."""
    found: dict[tuple[str, str], list[Further]] = defaultdict(list)
    for one in told:
        found[one.claim, one.task].append(one)
    return [
        Further(
            *name,
            items=[item for one in parts for item in one.items],
            base=joined([one.base for one in parts]),
            tuned=joined([one.tuned for one in parts]),
            rivals={name: joined([one.rivals[name] for one in parts]) for name in parts[0].rivals},
        )
        for name, parts in sorted(found.items())
    ]


def _all_labels(lists: Sequence[Sequence[str]]) -> list[str]:
    """Every label of any fold, once: a rare one is unknown where its documents are left out."""
    return list(dict.fromkeys(label for labels in sorted(lists, key=len, reverse=True) for label in labels))


def _renumbered(sitting: Sitting, own: Sequence[str], labels: Sequence[str]) -> Sitting:
    """The same answers with labels numbered as in `labels`."""
    if list(own) == list(labels):
        return sitting
    place = [labels.index(name) for name in own]
    kinds, types = types_of(own), types_of(labels)

    def moved(arm: Arm) -> Arm:
        return replace(
            arm,
            predicted=None if arm.predicted is None else tuple(place[number] for number in arm.predicted),
            named=None if arm.named is None else tuple(tuple(sorted(place[one] for one in each)) for each in arm.named),
            spans=None if arm.spans is None else tuple(_spread(counts, kinds, types) for counts in arm.spans),
        )

    rivals = {name: moved(arm) for name, arm in sitting.rivals.items()}
    return replace(sitting, base=moved(sitting.base), tuned=moved(sitting.tuned), rivals=rivals)


def _spread(counts: Sequence[int], kinds: Sequence[str], types: Sequence[str]) -> tuple[int, ...]:
    """True, false and missed entities of some types as counts of all types."""
    starts = range(0, len(counts), len(kinds))
    parts = [dict(zip(kinds, counts[start : start + len(kinds)], strict=True)) for start in starts]
    return tuple(part.get(kind, 0) for part in parts for kind in types)
