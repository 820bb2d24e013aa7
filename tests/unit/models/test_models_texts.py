"""Texts of words and pairs of texts: ids as the tokenizer makes them, and the way back to characters."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.models.chat import Wording, load_wording
from luthier.models.spans import bio_of, entities_in, entity_of, entity_text, label_list
from luthier.models.texts import WORD
from luthier.records import Entity

TEXT = "Apple Inc. (U.S.) paid €3 in a naïve foo_bar"


@pytest.fixture
def wording(tiny_tokenizer_folder: Path) -> Wording:
    return load_wording(tiny_tokenizer_folder)


def test_every_word_begins_with_one_token(wording: Wording) -> None:
    worded = wording.word_ids(TEXT)
    assert worded.ids == wording.text_ids(TEXT)
    assert sum(worded.first) == len(worded.words)
    assert [TEXT[start:end] for start, end in worded.words] == WORD.findall(TEXT)
    starts = [token for token, begins in enumerate(worded.first) if begins]
    assert [wording.decode(worded.ids[token : token + 1]) for token in starts[:3]] == ["A", "I", "."]


def test_a_pair_knows_its_ends_and_characters(wording: Wording) -> None:
    pair = wording.pair_ids("Who paid?", TEXT)
    assert pair.ids[: pair.ends[0]] == wording.text_ids("Who paid?")
    assert pair.ends[1] == len(pair.ids) == len(pair.places)
    start = TEXT.index("Inc")
    tokens = pair.tokens_of(start, start + 3)
    assert tokens is not None
    assert pair.characters_of(*tokens) == (start, start + 3)
    assert wording.decode(pair.ids[tokens[0] : tokens[1] + 1]) == "Inc"
    assert pair.tokens_of(start - 1, start + 3) is None
    assert pair.characters_of(0, tokens[1]) is None


def test_windows_of_a_long_text_lose_nothing_and_share_enough(wording: Wording) -> None:
    text = "  ".join(f"word{number}" for number in range(150))
    windows = wording.pair_windows("Who paid?", text, limit=120)
    assert len(windows) > 5
    assert all(len(window.pair.ids) <= 120 for window in windows)
    assert all(text[window.start :].startswith(window.text) for window in windows)
    assert all(window.text.startswith("word") for window in windows)
    assert all(any(window.holds(at, at + 20) for window in windows) for at in range(len(text) - 20))
    assert wording.pair_windows("Who paid?", "x" * 600, limit=120) == []
    assert wording.pair_windows("Who paid? " * 20, text, limit=120) == []
    assert [window.pair for window in wording.pair_windows("Who?", "Ada", limit=120)] == [
        wording.pair_ids("Who?", "Ada")
    ]


@given(st.lists(st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"]), max_size=12))
def test_labels_and_entities_tell_the_same(labels: list[str]) -> None:
    words = [(3 * place, 3 * place + 2) for place in range(len(labels))]
    entities = entities_in(labels, words)
    assert entities_in(bio_of(entities, words), words) == entities
    assert tuple(map(entity_of, map(entity_text, entities))) == entities


def test_the_label_list_is_sorted_by_type() -> None:
    assert label_list(["PER", "LOC", "PER"]) == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert entity_of("3:9:A:B") == Entity(3, 9, "A:B")
