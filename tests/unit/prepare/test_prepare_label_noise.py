"""Wrong labels are suspected, conflicts are found, and nothing is relabelled."""

import dataclasses
import random

import pytest

from luthier.prepare.label.conflicts import conflicting, find_conflicts
from luthier.prepare.label.noise import Labelled, label_noise

WORDS = {
    "engine": ["piston", "fuel", "oil", "gear", "clutch", "spark", "torque", "cylinder"],
    "garden": ["rose", "soil", "seed", "water", "leaf", "bloom", "compost", "shade"],
    "kitchen": ["flour", "butter", "oven", "salt", "dough", "simmer", "whisk", "spoon"],
}


def rows(count: int = 240) -> list[Labelled]:
    made = random.Random(0)
    labels = sorted(WORDS)
    return [
        Labelled(
            id=f"r{number:03}",
            text=" ".join(made.choice([*WORDS[labels[number % 3]], "the", "with"]) for _ in range(12)),
            label=labels[number % 3],
            group=f"g{number // 4}",
        )
        for number in range(count)
    ]


def test_wrong_labels_are_suspected_with_the_right_suggestion() -> None:
    truth = rows()
    wrong = {row.id: "garden" if row.label != "garden" else "kitchen" for row in truth[::20]}
    given = [dataclasses.replace(row, label=wrong.get(row.id, row.label)) for row in truth]
    found = label_noise(given)
    assert found.examined == 240
    assert {one.id for one in found.suspects} == set(wrong)
    assert {one.id: one.suggestion for one in found.suspects} == {row.id: row.label for row in truth if row.id in wrong}
    assert all(one.confidence < one.suggested for one in found.suspects)
    assert label_noise(given[::-1]) == found


def test_right_labels_are_not_suspected() -> None:
    assert label_noise(rows()).suspects == []


@pytest.mark.parametrize("changed", [{"label": "engine"}, {"group": "one"}])
def test_too_little_to_hold_out_is_said(changed: dict[str, str]) -> None:
    found = label_noise([dataclasses.replace(row, **changed) for row in rows(30)])
    assert found.suspects == []
    assert "too few" in str(found.why_not)


def test_rows_of_one_group_do_not_vouch_for_each_other() -> None:
    copies = [Labelled(f"c{number}", "rose soil seed leaf bloom compost", "engine", "same") for number in range(4)]
    found = label_noise([*rows(), *copies])
    assert {one.id for one in found.suspects} == {one.id for one in copies}


def test_classes_of_a_few_rows_are_passed_over() -> None:
    rare = [Labelled(f"c{number}", "rose soil seed leaf", "rare", f"c{number}") for number in range(4)]
    found = label_noise([*rows(), *rare])
    assert (found.examined, found.suspects) == (240, [])


def test_near_equal_texts_with_different_labels_conflict() -> None:
    long = "The pump must be checked before every start and the valve must be open while the motor runs up to its speed"
    given = [
        Labelled("a", "Acute cold.", "J00", "g1"),
        Labelled("b", "acute  cold", "J06", "g2"),
        Labelled("c", "ACUTE COLD", "J06", "g3"),
        Labelled("d", long, "yes", "g4"),
        Labelled("e", long.replace("its", "full"), "no", "g5"),
        Labelled("f", long.replace("its", "top"), "no", "g6"),
        Labelled("g", "restart pump 3", "yes", "g7"),
        Labelled("h", "restart pump 4", "no", "g8"),
    ]
    found = {tuple(one.ids): one for one in find_conflicts(given)}
    assert set(found) == {("a", "b", "c"), ("d", "e"), ("d", "f")}
    assert found["a", "b", "c"].suggestion == "J06"
    assert found["d", "e"].suggestion is None
    assert 0.8 <= found["d", "e"].jaccard < 1
    assert conflicting(find_conflicts(given[::-1])) == set("abcdef")
