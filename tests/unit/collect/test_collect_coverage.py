"""The coverage guard counts words as a person would, and lets no loss pass."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.collect.coverage import MOST_LOST_LISTED, Coverage, compare, count_words, guarded_page
from luthier.records import Page

SAMPLES = ["pump", "valve", "ﬁlter", "3.5", "bar", "µm", "naïve", "温度計", "ไทย", "snake_case"]
WORDS = st.lists(st.sampled_from(SAMPLES), max_size=40)


@given(WORDS)
def test_order_and_marks_change_nothing(words: list[str]) -> None:
    structured = "# " + " | ".join(f"**{word}**" for word in sorted(words))
    assert compare(" ".join(words), structured) == Coverage(share=1.0, added=0.0, lost=())


@given(WORDS, st.data())
def test_one_word_gone_is_one_word_lost(words: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(words)))
    text = [*words[:place], "serial4711", *words[place:]]
    found = compare(" ".join(text), " ".join(words))
    assert found.lost == ("serial4711",)
    assert found.share == pytest.approx(1 - 1 / count_words(" ".join(text)).total())


def test_the_bar_is_one_word_in_two_hundred() -> None:
    text = " ".join(f"w{number}" for number in range(200))
    assert compare(text, text.removesuffix(" w199")).holds
    assert not compare(text, text.removesuffix(" w198 w199")).holds
    assert compare(text, f"{text} more").holds
    assert not compare(text, f"{text} more words").holds


def test_words_glued_together_are_lost_and_added() -> None:
    found = compare("close the valve", "close thevalve")
    assert (found.share, found.added, found.holds) == (pytest.approx(1 / 3), pytest.approx(1 / 3), False)


def test_what_is_done_on_purpose_is_no_loss() -> None:
    assert compare("Manual page 3 Pumps move water", "Pumps move water", removed=["Manual page 3"]).holds
    assert compare("Pumps", "Pumps Pumps", inserted=["Pumps"]).holds
    assert not compare("Manual Manual Pumps", "Pumps", removed=["Manual"]).holds


def test_words_are_compared_as_they_are_read() -> None:
    assert count_words("ﬁlter fil\u00adter zero\u200bwidth ２０") == Counter(["filter", "filter", "zerowidth", "20"])
    assert count_words("温度\n計") == count_words("温度計")
    assert count_words("Pump pump") == Counter(["Pump", "pump"])


def test_empty_readings() -> None:
    assert compare("", "").holds
    assert not compare("", "invented").holds


def test_a_page_that_fails_is_marked_and_its_words_listed() -> None:
    assert guarded_page("page 1", compare("a b", "a b")) == Page(place="page 1", state="read")
    failed = guarded_page("page 2", compare(" ".join(f"w{n}" for n in range(99)), ""))
    assert (failed.state, failed.coverage, len(failed.lost)) == ("plain", 0.0, MOST_LOST_LISTED)
