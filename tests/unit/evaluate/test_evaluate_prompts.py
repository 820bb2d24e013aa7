"""What each arm is shown before a question."""

from pathlib import Path

import numpy as np
import pytest
from tiny_bases import write_tiny_tokenizer

from luthier.artifacts.rows import write_worded
from luthier.evaluate.prompts import Examples, Lead, Limits, Shelf, cut_to_fit
from luthier.evaluate.retrieval import WordIndex
from luthier.models.chat import Wording, load_wording
from luthier.records import Item, Message, Worded

SYSTEM = Message("system", "Be short.")
RULE = "What is it?"
KNOWN = {
    "red fox in snow": "fox",
    "grey wolf in snow": "wolf",
    "red deer": "deer",
    "old brown bear": "bear",
    "small brown bear": "bear",
    "white hare": "hare",
    "white owl in snow at night": "owl",
}


@pytest.fixture
def wording(tmp_path: Path) -> Wording:
    return load_wording(write_tiny_tokenizer(tmp_path / "base", context=4096))


@pytest.fixture
def train(tmp_path: Path, wording: Wording) -> Path:
    rows = [worded(wording, f"{RULE}\n\n{asked}", told) for asked, told in KNOWN.items()]
    rows.append(wording.document_row("A fox is no wolf.", row_id="d", group="d", at="b:1"))
    write_worded(tmp_path / "train.parquet", rows)
    return tmp_path / "train.parquet"


def worded(wording: Wording, asked: str, told: str) -> Worded:
    chat = wording.chat_ids([SYSTEM, Message("user", asked), Message("assistant", told)])
    return Worded(asked, asked, "a:1", chat.ids, chat.trained)


def item_of(*turns: Message) -> Item:
    return Item("0" * 16, "g", "chat", turns, ("fox",), "a:9")


def asks(question: str) -> Item:
    return item_of(SYSTEM, Message("user", f"{RULE}\n\n{question}"))


def shelf_of(train: Path, wording: Wording, *items: Item) -> Shelf:
    return Shelf(train, items, wording=wording, instruction=RULE)


def test_examples_are_earlier_turns_the_nearest_last(train: Path, wording: Wording) -> None:
    item = asks("red fox in snow at noon")
    prompt = wording.decode(shelf_of(train, wording, item).few_shot(item, Limits(4096, 16)))
    assert shelf_of(train, wording, item).examples == len(KNOWN)
    assert prompt.count(RULE) == 6
    assert prompt.count("Be short.") == 1
    assert prompt.rindex("white owl in snow") < prompt.rindex("red fox in snow\n") < prompt.rindex("red fox in snow at")
    assert prompt.index("assistant\nfox") < prompt.index("red fox in snow at noon")


def test_a_short_window_gets_fewer_examples_the_farthest_leave(train: Path, wording: Wording) -> None:
    item = asks("red fox in snow at noon")
    shelf = shelf_of(train, wording, item)
    bare, whole = (len(wording.prompt_ids(item.messages)), len(shelf.few_shot(item, Limits(4096, 16))))
    prompt = shelf.few_shot(item, Limits((bare + whole) // 2, 16))
    assert bare < len(prompt) <= (bare + whole) // 2 - 16
    assert "red fox in snow\n" in wording.decode(prompt).replace("<|im_end|>", "\n")
    assert shelf.few_shot(item, Limits(bare, 16)) == wording.prompt_ids(item.messages)


def test_found_texts_stand_before_the_last_question_without_the_instruction(train: Path, wording: Wording) -> None:
    item = item_of(SYSTEM, Message("user", "Hello"), Message("assistant", "Hi"), *asks("a fox").messages[1:])
    shelf = shelf_of(train, wording, item)
    prompt = wording.decode(shelf.with_texts(item, shelf.found(item), Limits(4096, 16)))
    assert prompt.index("assistant\nHi") < prompt.index("A fox is no wolf.")
    assert prompt.count("fox\n") >= 1
    assert "red fox in snow\nfox" in prompt
    assert prompt.count(RULE) == 1


def test_texts_take_at_most_half_the_window(train: Path, wording: Wording) -> None:
    item = asks("red fox in snow at noon")
    bare = len(wording.prompt_ids(item.messages))
    shelf = shelf_of(train, wording, item)
    for context in (bare + 20, 2 * bare, 4 * bare, 4096):
        prompt = shelf.with_texts(item, ["x" * 60, "y" * 60, "z" * 60], Limits(context, 16))
        assert len(prompt) == bare or len(prompt) <= min(context - 16, bare + context // 2)
    assert wording.decode(prompt).count("x") >= 60
    assert shelf.with_texts(item, [], Limits(4096, 16)) == wording.prompt_ids(item.messages)


def test_a_source_is_cut_around_the_answer_where_the_window_is_short(train: Path, wording: Wording) -> None:
    item = asks("red fox in snow at noon")
    shelf = shelf_of(train, wording, item)
    bare = len(wording.prompt_ids(item.messages))
    source = f"{'x' * 300} the fox is {'y' * 300}"
    assert source in wording.decode(shelf.with_source(item, source, Limits(4096, 16)))
    for context in (bare + 100, bare + 160, 2 * bare):
        prompt = shelf.with_source(item, source, Limits(context, 16))
        kept = wording.decode(prompt)
        assert bare < len(prompt) <= min(context - 16, bare + context // 2)
        assert "fox is" in kept
        assert source not in kept
    assert shelf.with_source(item, source, Limits(bare + 17, 16)) == wording.prompt_ids(item.messages)
    lead = Lead(wording, Limits(120, 16))
    told = lead.with_source("The animal is the", source, ("fox",))
    assert told.endswith("\n\nThe animal is the")
    assert "fox" in told
    assert len(wording.document_ids(told)) <= 104


def test_cutting_keeps_all_that_fits() -> None:
    text = "abcdefghij" * 20
    for most in range(1, 201):
        kept = cut_to_fit(text, ["nowhere", "j"], lambda part, most=most: len(part) <= most)  # type: ignore[misc]
        assert len(kept) == most
        assert kept in text
    assert cut_to_fit(text, ["j"], lambda part: False) == ""


def test_examples_come_from_other_documents_the_nearest_last(wording: Wording) -> None:
    def made(number: int, asked: str, task: str = "cloze") -> Item:
        name = f"{number:016x}"
        return Item(name, f"g{number}", task, (Message("user", asked),), (f"gold{number}",), "a:1", family="f")

    def words(shared: int) -> str:
        return " ".join(f"w{place}" if place < shared else f"u{shared}x{place}" for place in range(9))

    known = [made(number, words(number)) for number in range(9)]
    asked = made(8, words(9))
    found = Examples([*known, made(20, words(9), task="table")], [asked]).nearest(asked)
    assert found == [f"{words(number)} gold{number}" for number in (3, 4, 5, 6, 7)]
    lead = Lead(wording, Limits(4096, 16))
    told = lead.with_examples(words(9), found)
    assert told.split("\n\n") == [*found, words(9)]
    short = Lead(wording, Limits(len(wording.document_ids(told)), 16)).with_examples(words(9), found)
    assert short.split("\n\n")[-2:] == [found[-1], words(9)]
    assert 1 < len(short.split("\n\n")) < 6


def test_however_wide_the_window_prompts_stay_short(train: Path, wording: Wording) -> None:
    item = asks("red fox in snow at noon")
    prompt = shelf_of(train, wording, item).with_texts(item, ["x" * 900, "y" * 900, "z" * 900], Limits(100_000, 16))
    assert [letter in wording.decode(prompt) for letter in ("xxx", "yyy", "zzz")] == [True, True, False]


def test_an_index_of_asked_words_finds_what_a_whole_one_finds() -> None:
    random = np.random.default_rng(0)
    texts = [" ".join(f"w{word}" for word in random.integers(0, 30, 12)) for _ in range(50)]
    query = "w1 W2 w3 w2 unknown"
    whole, narrow = WordIndex(texts), WordIndex(iter(texts), asked={"w1", "w2", "w3", "unknown"})
    assert (whole.scores(query) == narrow.scores(query)).all()
    found = whole.nearest(query, count=7)
    assert found.tolist() == sorted(range(50), key=lambda place: (-whole.scores(query)[place], place))[:7]
    assert WordIndex([]).nearest(query, count=3).tolist() == []
