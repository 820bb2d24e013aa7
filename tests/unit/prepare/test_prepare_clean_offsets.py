"""Every character of a cleaned text leads back to the one it came from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.prepare.clean.offsets import OffsetMap, align, joined, without
from luthier.prepare.clean.repair import mend, repair_text

DAMAGED = st.text(
    alphabet=st.one_of(
        st.sampled_from("abc XYZ.,\t\n\r\f\x00\u00ad&;Ã©â€™ﬁ\u2028\u200b\ufeffü漢e\u0301\x85"),
        st.characters(codec="utf-8"),
    ),
    max_size=80,
)


def check(offsets: OffsetMap, cleaned: str, source: str) -> None:
    """Copies ascend, are maximal, and say the same in both texts."""
    assert (offsets.cleaned, offsets.source) == (len(cleaned), len(source))
    assert offsets.copies == joined(offsets.copies)
    ends = [(start + length, origin + length) for start, origin, length in offsets.copies]
    for (start, origin, _), (end, end_origin) in zip(offsets.copies[1:], ends, strict=False):
        assert start >= end
        assert origin >= end_origin
    for start, origin, length in offsets.copies:
        assert length > 0
        assert cleaned[start : start + length] == source[origin : origin + length]
        for place in range(start, start + length):
            assert offsets.source_span(place, place + 1) == (origin + place - start, origin + place - start + 1)


@given(DAMAGED)
def test_mending_leads_back(source: str) -> None:
    mended = mend(source)
    check(mended.offsets, mended.text, source)
    assert mended.text == repair_text(source)


@given(DAMAGED)
def test_spans_ascend_and_the_whole_is_covered(source: str) -> None:
    mended = mend(source)
    spans = [mended.offsets.source_span(place, place + 1) for place in range(len(mended.text))]
    assert spans == sorted(spans)
    for place, (start, end) in enumerate(spans):
        assert 0 <= start <= end <= len(source)
        assert mended.offsets.source_span(0, place + 1)[1] == end


@given(DAMAGED, st.lists(st.integers(0, 80), max_size=6))
def test_two_edits_in_a_row_are_one(source: str, cuts: list[int]) -> None:
    mended = mend(source)
    places = sorted({min(cut, len(mended.text)) for cut in cuts})
    spans = list(zip(places[::2], places[1::2], strict=False))
    cut, second = without(mended.text, spans)
    check(second, cut, mended.text)
    check(second.after(mended.offsets), cut, source)


@given(DAMAGED)
def test_bytes_lead_back_too(source: str) -> None:
    mended = mend(source)
    in_bytes = mended.offsets.in_bytes(mended.text, source)
    cleaned, origin = mended.text.encode(), source.encode()
    assert (in_bytes.cleaned, in_bytes.source) == (len(cleaned), len(origin))
    for start, place, length in in_bytes.copies:
        assert cleaned[start : start + length] == origin[place : place + length]


@given(DAMAGED, DAMAGED)
def test_any_two_texts_align(cleaned: str, source: str) -> None:
    check(OffsetMap(joined(align(cleaned, source)), cleaned=len(cleaned), source=len(source)), cleaned, source)


def test_what_was_written_anew_leads_to_what_it_replaced() -> None:
    source = "  The cafÃ© is open\x07 at nine. "
    mended = mend(source)
    assert mended.text == "The café is open at nine."
    start = mended.text.index("é")
    left, right = mended.offsets.source_span(start, start + 1)
    assert source[left:right] == "Ã©"
    left, right = mended.offsets.source_span(mended.text.index("café"), len(mended.text))
    assert source[left:right] == "cafÃ© is open\x07 at nine."


def test_places_of_the_source_lead_forward() -> None:
    cut, offsets = without("keep CUT this", [(5, 9)])
    assert cut == "keep this"
    assert [offsets.cleaned_offset(place) for place in (0, 4, 5, 7, 9, 13)] == [0, 4, 5, 5, 5, 9]
    assert without("abc", [])[1].cleaned_offset(2) == 2
    assert without("CUT", [(0, 3)]) == ("", OffsetMap((), cleaned=0, source=3))


@pytest.mark.parametrize(
    ("source", "copied"),
    [
        ("aÃ©" * 20_000, 20_000),
        ("abc Ã© " * 20_000, 99_999),
        ("Open it. ".encode("utf-16-le").decode("latin-1") * 5_000, 44_999),
        ("x\x07" * 20_000, 20_000),
    ],
)
def test_long_lines_of_damage_take_linear_time(source: str, copied: int) -> None:
    mended = mend(source)
    assert sum(length for *_, length in mended.offsets.copies) == copied
    starts = [origin for _, origin, _ in mended.offsets.copies]
    assert starts == sorted(starts)


def test_windows_line_ends_and_page_breaks_become_line_ends() -> None:
    assert repair_text("one\r\ntwo\rthree\ffour") == "one\ntwo\nthree\nfour"


@pytest.mark.parametrize("text", ['s.replace("&", "&amp;")', "Write &lt; as <", "R&D", "AT&T; &amp;"])
def test_entities_stay_where_they_are_meant(text: str) -> None:
    assert repair_text(text) == text


def test_entities_are_mended_where_every_ampersand_begins_one() -> None:
    assert repair_text("Fish &amp; chips\nR&amp;D &mdash; done") == "Fish & chips\nR&D — done"
