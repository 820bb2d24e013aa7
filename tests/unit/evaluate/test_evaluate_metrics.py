"""Scores of one answer."""

import pytest

from luthier.evaluate.metrics.text import bits_per_byte, chrf, rouge_l, token_f1
from luthier.graders.matches import exact_match, normalise
from luthier.graders.numbers import last_number, numeric_match


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


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("about 1,234.5 dollars", 1234.5),
        ("1.234,5", 1234.5),
        ("1,234", 1234),
        ("1.234", 1.234),
        ("1.234.567", 1234567),
        ("1'234'567.89", 1234567.89),
        ("12\u202f345", 12345),
        ("first 3, then −3.2e-4.", -0.00032),
        ("it is .5", 0.5),
        ("10-20", 20),
        ("A12 or v1.2.3", None),
        ("none", None),
    ],
)
def test_the_last_number_of_an_answer(text, number):
    found = last_number(text)
    assert (found and found[0]) == number


def test_numbers_match_to_the_digit_asked_for_or_to_half_a_per_cent():
    assert numeric_match("12.34", 12.3, decimals=1) == 1
    assert numeric_match("12.36", 12.3, decimals=1) == 0
    assert numeric_match("1250", 1200, decimals=-2) == 1
    assert numeric_match("100.5", 100) == 1
    assert numeric_match("100.6", 100) == 0
    assert numeric_match("12 %", 0.12) == numeric_match("12 %", 12) == 1
    assert numeric_match("no number", 0) == 0


def test_empty_answers_and_golds():
    assert token_f1("", ["the"]) == 1
    assert token_f1("", ["eye"]) == rouge_l("", ["eye"]) == chrf("", ["eye"]) == 0


def test_bits_per_byte_of_two_nats_per_byte():
    assert bits_per_byte(20.0, 10) == pytest.approx(2 / 0.6931471805599453)
