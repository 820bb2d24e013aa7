"""Exact match."""

import pytest

from luthier.evaluate.metrics.text import exact_match, normalise


@pytest.mark.parametrize(
    ("answer", "gold", "score"),
    [
        (" The Eye, and adnexa. ", "eye and adnexa", 1.0),
        ("ＥＹＥ", "eye", 1.0),
        ("Straße", "STRASSE", 1.0),
        ("eye and ear", "eye", 0.0),
        ("eyes", "eye", 0.0),
        ("", "eye", 0.0),
        ("theatre", "atre", 0.0),
        ("I00-I99", "i00 i99", 1.0),
        ("", "-", 0.0),
        ("a", "the", 0.0),
        ("A", "A", 1.0),
    ],
)
def test_exact_match_forgives_spelling_not_meaning(answer, gold, score):
    assert exact_match(answer, (gold,)) == score


def test_any_gold_is_enough():
    assert exact_match("cat", ("dog", "a cat")) == 1.0
    assert normalise("A  an THE apple!") == "apple"
