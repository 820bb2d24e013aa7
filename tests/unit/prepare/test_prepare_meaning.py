"""Texts alike in meaning, and two texts alone."""

from luthier.prepare.dedup.meaning import alike_in_meaning
from luthier.prepare.dedup.signature import are_near

LONG = " ".join(f"word{number}" for number in range(40))


def test_two_texts_are_near() -> None:
    assert are_near(LONG, f"{LONG} more", threshold=0.8)
    assert not are_near("pump 3", "pump 4", threshold=0.1)


def test_alike_in_meaning() -> None:
    copies = [f"machine{number} needs oil{number} and filter{number}" for number in range(30)]
    copies += ["the pump is leaking at the seal", "at the seal the pump is leaking"]
    found = alike_in_meaning(copies)
    assert (found[0].a, found[0].b, found[0].jaccard) == (30, 31, 1.0)
    assert alike_in_meaning(copies, least=0.999) == [found[0]]
    assert alike_in_meaning(copies[:1]) == alike_in_meaning([]) == []


def test_texts_of_which_the_dimensions_hold_little_are_alike_to_none() -> None:
    copies = [f"disease{number} unspecified" for number in range(300)]
    assert alike_in_meaning(copies) == []
    assert alike_in_meaning(copies[:40]) == []
