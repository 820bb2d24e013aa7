"""Records in tables: what is written comes back, whatever its kind."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.artifacts.canonical import canonical_json
from luthier.artifacts.rows import KINDS, item_row, read_examples, read_items, write_examples, write_items
from luthier.records import (
    Chat,
    Entity,
    Example,
    Extraction,
    Graded,
    Item,
    Label,
    Message,
    Origin,
    Pair,
    Preference,
    Rating,
    Span,
    Tags,
    Text,
    ToolCall,
)

LETTERS = st.characters(exclude_categories=["Cs"])
WORDS = st.text(LETTERS, max_size=12)
WHOLE = st.integers(0, 2**40)


def several(part: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(part, max_size=3).map(tuple)


ORIGINS = st.builds(
    Origin,
    at=WORDS,
    file=WORDS,
    line=st.none() | WHOLE,
    columns=st.dictionaries(WORDS, WORDS, max_size=3),
    spans=several(st.builds(Span, document=WORDS, start=WHOLE, end=WHOLE)),
    made_by=st.none() | WORDS,
    parent=st.none() | WORDS,
)
TURNS = several(
    st.builds(
        Message,
        role=st.sampled_from(["system", "user", "assistant", "tool"]),
        content=WORDS,
        weight=st.sampled_from([0, 1]),
        tool_calls=several(st.builds(ToolCall, name=WORDS, arguments=WORDS, id=WORDS)),
        tool_call_id=WORDS,
        name=WORDS,
    )
)
TEXTS = several(WORDS)
SCORES = st.none() | st.floats(0, 1)
KIND_OF = {
    Chat: st.builds(Chat, messages=TURNS, origin=ORIGINS, tools=TEXTS),
    Label: st.builds(Label, text=WORDS, label=WORDS, origin=ORIGINS, others=TEXTS, second=WORDS),
    Text: st.builds(Text, text=WORDS, origin=ORIGINS),
    Preference: st.builds(Preference, prompt=TURNS, chosen=TURNS, rejected=TURNS, origin=ORIGINS, tools=TEXTS),
    Rating: st.builds(Rating, prompt=TURNS, answer=TURNS, good=st.booleans(), origin=ORIGINS, tools=TEXTS),
    Graded: st.builds(Graded, prompt=TURNS, golds=TEXTS, graders=WORDS, origin=ORIGINS),
    Tags: st.builds(
        Tags,
        text=WORDS,
        entities=several(st.builds(Entity, start=WHOLE, end=WHOLE, label=WORDS)),
        origin=ORIGINS,
        repairs=st.integers(0, 99),
    ),
    Extraction: st.builds(
        Extraction, question=WORDS, context=WORDS, answers=several(st.tuples(WHOLE, WHOLE)), origin=ORIGINS
    ),
    Pair: st.builds(Pair, query=WORDS, positive=WORDS, negatives=TEXTS, score=SCORES, origin=ORIGINS),
}


def test_every_kind_of_example_is_tried_below() -> None:
    assert list(KIND_OF) == list(KINDS)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(*KIND_OF.values()), max_size=6))
def test_examples_come_back_as_they_were(examples: list[Example]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "examples.parquet"
        assert write_examples(path, examples) == len(examples)
        assert list(read_examples(path)) == examples
        first = path.read_bytes()
        write_examples(path, read_examples(path))
        assert path.read_bytes() == first


def test_an_item_comes_back_and_its_leaf_knows_no_tools(tmp_path: Path) -> None:
    plain = Item("i", "d", "t", (Message("user", "Hi"),), ("Yo",), "a:1")
    call = Message("assistant", "", tool_calls=(ToolCall("now", "{}", "c"),))
    called = Item("j", "d", "t", (call, Message("tool", "noon", tool_call_id="c", name="now")), ("Yo",), "a:2", ("{}",))
    write_items(tmp_path / "items.parquet", [plain, called])
    assert read_items(tmp_path / "items.parquet") == [plain, called]
    assert set(item_row(called)) - set(item_row(plain)) == {"tools"}
    assert canonical_json(item_row(plain)["messages"]) == b'[{"content":"Hi","role":"user","weight":1}]'
