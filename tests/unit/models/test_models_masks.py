"""Which words are hidden, and from whom."""

from collections.abc import Callable

import numpy as np
import pytest

from luthier.errors import UserError
from luthier.models.bases import Base
from luthier.models.chat import Wording, load_wording
from luthier.models.masks import make_masker, words_of
from luthier.records import Worded

TEXT = "some words are long, some are not: 42 of 100 are."


@pytest.fixture
def wording(make_base: Callable[[str], Base]) -> Wording:
    return load_wording(make_base("pieces").folder)


def fill_row(wording: Wording, text: str = TEXT, row_id: str = "a") -> Worded:
    return wording.fill_row(text, row_id=row_id, group="g", at="here:1")


def words_hidden(row: Worded, wording: Wording) -> str:
    """The text with every hidden letter as `_`."""
    letters = iter(wording.tokenizer.encode(TEXT).tokens)
    shown = [("_" if hidden else token, token) for token, hidden in zip(letters, row.trained, strict=True)]
    return "".join(text if token.startswith("##") else f" {text}" for text, token in shown).replace("##", "")


def test_whole_words_are_hidden_and_nothing_else(wording: Wording) -> None:
    masker = make_masker(wording, share=0.3, seed=0, hidden=1.0, swapped=0.0)
    row = fill_row(wording)
    for step in range(50):
        masked = masker(row, step)
        words = words_hidden(masked, wording).split()
        assert all(set(word) == {"_"} or "_" not in word for word in words), words
        assert not masked.trained[0]
        assert not masked.trained[-1]
        hidden = [place for place, learnt in enumerate(masked.trained) if learnt]
        assert [row.ids[place] for place in hidden] == list(masked.labels)
        assert all(masked.ids[place] == masker.mask_id for place in hidden)
        assert [one for place, one in enumerate(masked.ids) if place not in hidden] == [
            one for place, one in enumerate(row.ids) if place not in hidden
        ]


def test_a_mask_depends_on_seed_step_and_row_alone(wording: Wording) -> None:
    row, other = fill_row(wording), fill_row(wording, row_id="b")
    first = make_masker(wording, share=0.15, seed=0)
    again = make_masker(wording, share=0.15, seed=0)
    assert [again(row, step) for step in (3, 1, 2)] == [first(row, step) for step in (3, 1, 2)]
    reseeded = make_masker(wording, share=0.15, seed=1)
    different = {masked.ids for masked in (first(row, 1), first(row, 2), first(other, 1), reseeded(row, 1))}
    assert len(different) == 4


def test_of_the_hidden_words_eight_in_ten_are_masked_and_one_is_swapped(wording: Wording) -> None:
    masker, row = make_masker(wording, share=0.15, seed=0), fill_row(wording, text="a b c d e f g h i j " * 10)
    fates = {"masked": 0, "kept": 0, "swapped": 0}
    for step in range(200):
        masked = masker(row, step)
        assert sum(masked.trained) == len(masked.labels) == 15
        hidden = [place for place, learnt in enumerate(masked.trained) if learnt]
        for place, was in zip(hidden, masked.labels, strict=True):
            now = masked.ids[place]
            fates["masked" if now == masker.mask_id else "kept" if now == was else "swapped"] += 1
    shares = {name: round(count / 3000, 1) for name, count in fates.items()}
    assert shares == {"masked": 0.8, "kept": 0.1, "swapped": 0.1}


def test_every_text_has_a_hidden_word(wording: Wording) -> None:
    assert sum(make_masker(wording, share=0.15, seed=0)(fill_row(wording, text="longword"), 0).trained) == 8


def test_what_the_tokenizer_cannot_say_is_never_hidden(wording: Wording) -> None:
    row = fill_row(wording, text="a \N{SNOWMAN} b [SEP] c")
    shown = [
        wording.tokenizer.id_to_token(token) for token, maskable in zip(row.ids, row.trained, strict=True) if maskable
    ]
    assert shown == ["a", "b", "c"]
    assert "[UNK]" in wording.tokenizer.encode("\N{SNOWMAN}").tokens


def test_words_of_a_vocabulary_that_marks_spaces(make_base: Callable[[str], Base]) -> None:
    """`pump 12, on` in bytes: each space belongs to the word behind it, and a comma is a word."""
    wording = load_wording(make_base("bert").folder)
    ids = np.array(wording.tokenizer.encode("pump 12, on").ids)
    begins = words_of(wording.tokenizer).begins(ids)
    shown = ["|" + letter if begin else letter for begin, letter in zip(begins, "pump 12, on", strict=True)]
    assert "".join(shown) == "pump| 12|,| on"


def test_a_tokenizer_without_a_mask_token_is_refused(make_base: Callable[[str], Base]) -> None:
    with pytest.raises(UserError, match="whose tokenizer has a mask token"):
        make_masker(load_wording(make_base("bert").folder), share=0.15, seed=0)
