"""Detection: every format in the dialects that real files have, and the two that must be refused."""

from typing import Any, get_args

import orjson
import pytest

from luthier.collect.config import Format
from luthier.collect.formats.detect import Hints, detect, make_example, sample_rows
from luthier.collect.registry import row_formats
from luthier.errors import UserError
from luthier.records import Chat, Entity, Example, Label, Message, Pair, Preference, Rating, Row, Tags, ToolCall


def read(*rows: dict[str, Any], wanted: str = "auto") -> tuple[str, list[Example]]:
    """Format and examples of a table."""
    table = [Row(at=f"t:{line}", line=line, values=values) for line, values in enumerate(rows, start=1)]
    fit = detect("t", table, formats=row_formats(), hints=Hints(format=wanted))
    return fit.format.name, [make_example(row, fit, file="t") for row in table]


def read_one(values: dict[str, Any]) -> Example:
    """The example of a table of one row."""
    return read(values)[1][0]


ASK, TELL = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}
HUMAN, GPT = {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yo"}
WORSE = {"role": "assistant", "content": "Go"}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
WITH_TOOLS = [
    ASK,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "Sunny"},
    TELL,
]
PREFERRED = {"preferred_output": [TELL], "non_preferred_output": [WORSE]}
SPAN = {"start": 0, "end": 4, "labels": ["LOC"], "text": "Rome"}
DIALECTS: list[tuple[str, str, dict[str, Any]]] = [
    ("openai", "fine-tuning file", {"messages": [ASK, TELL]}),
    ("openai", "with tools", {"messages": WITH_TOOLS, "tools": [TOOL], "parallel_tool_calls": False}),
    ("openai", "functions of old", {"messages": [ASK, TELL], "functions": [TOOL["function"]]}),
    ("openai", "a CSV cell of JSON", {"messages": orjson.dumps([ASK, TELL]).decode(), "id": "7"}),
    ("openai", "numbered beside", {"messages": [ASK, TELL], "label": 1}),
    ("openai", "system text twice", {"messages": [{"role": "system", "content": "s"}, ASK, TELL], "system": "s"}),
    ("openai", "text parts", {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, TELL]}),
    ("openai", "UltraChat", {"prompt": "Hi", "prompt_id": "x", "messages": [ASK, TELL]}),
    ("openai", "roles in `conversations`", {"conversations": [ASK, TELL], "source": "x"}),
    ("sharegpt", "Vicuna", {"id": "a_0", "conversations": [HUMAN, GPT]}),
    ("sharegpt", "LLaMA-Factory", {"conversations": [HUMAN, GPT], "system": "Be kind", "tools": "[]"}),
    ("sharegpt", "senders in `messages`", {"messages": [HUMAN, GPT]}),
    (
        "sharegpt",
        "content instead of value",
        {"conversations": [{"from": "user", "content": "Hi", "value": None}, GPT]},
    ),
    ("alpaca", "Stanford", {"instruction": "Sum", "input": "1 2", "output": "3", "text": "Below is ..."}),
    ("alpaca", "with history", {"instruction": "And", "input": "", "output": "c", "history": [["a", "b"]]}),
    ("alpaca", "Dolly", {"instruction": "Q", "context": "C", "response": "A", "category": "open_qa"}),
    ("prompt", "OpenAI completions", {"prompt": "Hi ->", "completion": " Yo"}),
    ("prompt", "prompt and response", {"prompt": "Hi", "response": "Yo", "source": "x"}),
    ("prompt", "TRL turns", {"prompt": [ASK], "completion": [TELL]}),
    ("qa", "FAQ export", {"Question": "Why?", "Answer": "So."}),
    ("qa", "OpenOrca", {"id": "1", "system_prompt": "", "question": "q", "response": "r"}),
    ("qa", "SQuAD without contexts", {"question": "q", "answers": {"text": ["a"], "answer_start": [0]}}),
    ("extraction", "SQuAD", {"context": "a", "question": "q", "answers": {"text": ["a"], "answer_start": [0]}}),
    ("extraction", "answers by hand", {"passage": "a b", "question": "q", "answers": [{"text": "b", "start": 2}]}),
    ("texts", "NLI", {"premise": "a", "hypothesis": "b", "label": 2}),
    ("texts", "GLUE pairs", {"sentence1": "a", "sentence2": "b", "label": "entailment", "idx": 0}),
    ("qa", "input and output", {"input": "q", "output": "a"}),
    ("label", "GLUE", {"sentence": "Nice", "label": 1, "idx": 0}),
    ("label", "SetFit", {"text": "Nice", "label": 1, "label_text": "positive"}),
    ("label", "GoEmotions", {"text": "Nice", "labels": [3, 5], "id": "x"}),
    ("label", "ticket export", {"Subject": "Hi", "Body": "It broke", "Category": "bug; urgent"}),
    ("tokens", "CoNLL reader", {"tokens": ["EU", "rejects"], "tags": ["B-ORG", "O"]}),
    ("tokens", "Hugging Face", {"id": "0", "tokens": ["EU"], "pos_tags": ["NN"], "ner_tags": ["B-ORG"]}),
    ("spans", "doccano", {"id": 1, "text": "Rome", "label": [[0, 4, "LOC"]]}),
    ("spans", "spaCy", {"text": "Rome", "entities": [[0, 4, "LOC"]]}),
    ("spans", "Prodigy", {"text": "Rome", "spans": [{"start": 0, "end": 4, "label": "LOC"}], "answer": "accept"}),
    ("spans", "Label Studio, small", {"text": "Rome", "label": [SPAN], "annotator": 1}),
    ("spans", "Label Studio", {"data": {"text": "Rome"}, "annotations": [{"result": [{"value": SPAN}]}]}),
    ("preference", "TRL", {"prompt": "Hi", "chosen": "Yo", "rejected": "Go"}),
    ("preference", "Intel Orca", {"system": "s", "question": "Hi", "chosen": "Yo", "rejected": "Go"}),
    ("preference", "whole conversations", {"chosen": [ASK, TELL], "rejected": [ASK, WORSE]}),
    ("preference", "UltraFeedback", {"prompt": "Hi", "chosen": [ASK, TELL], "rejected": [ASK, WORSE], "score": 3}),
    (
        "preference",
        "HH-RLHF",
        {"chosen": "\n\nHuman: Hi\n\nAssistant: Yo", "rejected": "\n\nHuman: Hi\n\nAssistant: Go"},
    ),
    ("preference", "OpenAI", {"input": {"messages": [ASK], "tools": [], "parallel_tool_calls": True}, **PREFERRED}),
    ("preference", "LLaMA-Factory", {"conversations": [HUMAN], "chosen": GPT, "rejected": {**GPT, "value": "Go"}}),
    ("rating", "TRL", {"prompt": "Hi", "completion": "Yo", "label": True}),
    ("rating", "TRL turns", {"prompt": [ASK], "completion": [TELL], "label": False}),
    ("rating", "a CSV file", {"prompt": "Hi", "completion": "Yo", "label": "TRUE"}),
    ("rating", "LLaMA-Factory", {"conversations": [HUMAN, GPT], "kto_tag": True}),
    ("graded", "a CSV file", {"question": "1 + 1", "answer": "2", "grader": "numeric"}),
    ("graded", "several", {"messages": [ASK], "golds": ["Yo", "Ho"], "graders": ["exact", {"grader": "contains"}]}),
    ("pair", "sentence-transformers", {"anchor": "a", "positive": "b"}),
    ("pair", "triplets", {"anchor": "a", "positive": "b", "negative": "c"}),
    ("pair", "BGE", {"query": "a", "pos": ["b"], "neg": ["c", "d"]}),
    ("scored", "STS", {"sentence1": "a", "sentence2": "b", "score": 0.5}),
    ("scored", "a CSV file", {"Sentence1": "a", "Sentence2": "b", "Similarity": "0.5"}),
    ("scored", "Quora", {"question1": "a", "question2": "b", "is_duplicate": 1}),
    ("text", "a corpus", {"text": "Long prose.", "url": "x", "timestamp": "y"}),
    ("text", "Wikipedia", {"id": "1", "title": "Rome", "text": "Rome is old."}),
]


@pytest.mark.parametrize(("name", "dialect", "values"), DIALECTS, ids=[f"{row[0]}: {row[1]}" for row in DIALECTS])
def test_every_dialect_is_named_and_makes_an_example(name: str, dialect: str, values: dict[str, Any]) -> None:
    assert read(values)[0] == name, dialect


def test_every_format_has_a_dialect_above() -> None:
    assert {row[0] for row in DIALECTS} == set(get_args(Format))


@pytest.mark.parametrize(
    ("values", "first", "second"),
    [
        ({"question": "q", "answer": "a", "text": "t", "label": "l"}, "qa", "label"),
        ({"messages": [ASK, TELL], "prompt": "Hi", "chosen": "Yo", "rejected": "Go"}, "openai", "preference"),
    ],
)
def test_two_formats_that_fit_are_refused_by_name(values: dict[str, Any], first: str, second: str) -> None:
    with pytest.raises(UserError, match=rf"'{first}' \(.*\) or '{second}' \(.*collect\.format"):
        read(values)
    assert [read(values, wanted=name)[0] for name in (first, second)] == [first, second]


def test_a_table_of_two_formats_is_refused_with_the_first_row_that_differs() -> None:
    rows: list[dict[str, Any]] = [{"text": "Rome", "label": [[0, 4, "LOC"]]}] * 8 + [{"text": "Rome", "label": "x"}] * 2
    with pytest.raises(UserError, match=r"t: 80% .* format 'spans'.* first other row is t:9.*collect\.format: spans"):
        read(*rows)
    # One bad row in twenty does not hide what the others are.
    rows = [{"prompt": "a", "completion": "b", "label": True}] * 19 + [{"prompt": "a", "completion": "b", "label": "x"}]
    table = [Row(at=f"t:{line}", line=line, values=values) for line, values in enumerate(rows, start=1)]
    assert detect("t", table, formats=row_formats(), hints=Hints()).format.name == "rating"


def test_nine_rows_of_ten_are_enough() -> None:
    good, other = {"prompt": "a", "completion": "b", "label": True}, {"prompt": "a", "completion": "b", "label": "x"}
    table = [Row(at=f"t:{line}", line=line, values=good if line < 10 else other) for line in range(1, 11)]
    assert detect("t", table, formats=row_formats(), hints=Hints()).format.name == "rating"
    table = [Row(at=f"t:{line}", line=line, values=good if line < 9 else other) for line in range(1, 11)]
    with pytest.raises(UserError, match="80%"):
        detect("t", table, formats=row_formats(), hints=Hints())


@pytest.mark.parametrize("name", ["rating", "scored", "spans", "tokens", "label"])
def test_empty_cells_are_no_evidence_against_a_format(name: str) -> None:
    values = next(row[2] for row in DIALECTS if row[0] == name)
    last = list(values)[-1] if name != "label" else "label"
    rows = [{**values, last: empty} for empty in (values[last], None, "")]
    table = [Row(at=f"t:{line}", line=line, values=row) for line, row in enumerate(rows, start=1)]
    assert detect("t", table, formats=row_formats(), hints=Hints()).format.name == name


@pytest.mark.parametrize("answer", ['{"role": "admin"}', '[{"role": "x"}]', "[1] Rome", '{"from": "Rome"}', "{"])
def test_text_that_looks_like_json_stays_text(answer: str) -> None:
    chat = read_one({"prompt": "Hi", "completion": answer})
    assert isinstance(chat, Chat)
    assert chat.messages[-1].content == answer


def test_text_alone_never_hides_a_format_that_half_the_rows_have() -> None:
    rows: list[dict[str, Any]] = [{"text": "Rome", "ner": [[0, 4, "LOC"]]}] * 4 + [{"text": "Rome", "ner": "x"}]
    with pytest.raises(UserError, match=r"80% .* 'spans'"):
        read(*rows)
    assert read(*[{"text": "Rome", "ner": "x"}] * 5)[0] == "text"


def test_the_sample_is_the_head_and_the_smallest_hashes_of_the_rest() -> None:
    rows = [Row(at=f"t:{line}", line=line, values={}) for line in range(1, 5001)]
    sample = sample_rows(rows)
    lines = [row.line for row in sample]
    assert lines[:1000] == list(range(1, 1001))
    assert len(lines) == 2000
    assert lines == sorted(set(lines))
    assert max(lines) > 4900
    assert sample_rows(iter(rows)) == sample
    assert len(sample_rows(rows[:700])) == 700


def test_tools_calls_and_weights_are_kept() -> None:
    chat = read_one({"messages": [*WITH_TOOLS[:-1], {**TELL, "weight": 1}], "tools": [TOOL]})
    assert isinstance(chat, Chat)
    call = ToolCall("weather", '{"city":"Rome"}', "c1")
    assert chat.messages[1:3] == (
        Message("assistant", "", tool_calls=(call,)),
        Message("tool", "Sunny", tool_call_id="c1"),
    )
    assert [orjson.loads(tool) for tool in chat.tools] == [TOOL]
    # Parquet fills what a row lacks with nulls, and holds arguments as a struct.
    filled = {"id": "c1", "type": None, "function": {"name": "weather", "arguments": {"city": "Rome", "unit": None}}}
    messages = [{**turn, "tool_calls": None, "tool_call_id": None} for turn in WITH_TOOLS]
    messages[1] |= {"tool_calls": [filled]}
    messages[2] |= {"tool_call_id": "c1"}
    declared = {**TOOL, "function": {**TOOL["function"], "strict": None}}
    from_parquet = read_one({"messages": messages, "tools": [declared]})
    assert isinstance(from_parquet, Chat)
    assert (from_parquet.messages, from_parquet.tools) == (chat.messages, chat.tools)


def test_old_function_calls_and_answers_without_ids_are_kept() -> None:
    old = {"role": "assistant", "content": "", "function_call": {"name": "now", "arguments": ""}}
    chat = read_one({"messages": [ASK, old, {"role": "function", "name": "now", "content": "noon"}, TELL]})
    assert isinstance(chat, Chat)
    assert chat.messages[1].tool_calls == (ToolCall("now", "{}"),)
    assert chat.messages[2] == Message("tool", "noon", name="now")
    # A call with an id may have an answer without one, and a last call needs none.
    unnamed = [ASK, {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "content": "Sunny"}, TELL]
    assert isinstance(read_one({"messages": unnamed}), Chat)
    assert isinstance(read_one({"messages": [ASK, {"role": "assistant", "tool_calls": [CALL]}]}), Chat)


def test_sharegpt_calls_and_systems_are_turns_like_others() -> None:
    call, result = (
        {"from": "function_call", "value": '{"name": "now", "arguments": {}}'},
        {"from": "observation", "value": "noon"},
    )
    tools = '[{"name": "now", "parameters": {}}]'
    chat = read_one({"conversations": [HUMAN, call, result, GPT], "system": "Be kind", "tools": tools})
    assert isinstance(chat, Chat)
    assert [turn.role for turn in chat.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert chat.messages[2].tool_calls == (ToolCall("now", "{}"),)
    assert chat.tools == ('{"type":"function","function":{"name":"now","parameters":{}}}',)


def test_what_only_some_rows_have_is_used_in_those() -> None:
    plain, tooled = {"messages": [ASK, TELL]}, {"messages": WITH_TOOLS, "tools": [TOOL], "system_prompt": "Be kind"}
    _, examples = read(*[plain] * 19, tooled)
    last = examples[-1]
    assert isinstance(last, Chat)
    assert last.messages[0] == Message("system", "Be kind")
    assert [orjson.loads(tool) for tool in last.tools] == [TOOL]
    assert last.origin.columns == {}


def test_alpaca_history_comes_before_the_question() -> None:
    chat = read_one({"instruction": "c", "input": "", "output": "d", "system": "s", "history": [["a", "b"]]})
    assert isinstance(chat, Chat)
    assert [turn.content for turn in chat.messages] == ["s", "a", "b", "c", "d"]


@pytest.mark.parametrize("labels", [["x", " y", "x"], "x; y;", '["x", "y"]'])
def test_several_labels_come_from_a_list_or_semicolons(labels: Any) -> None:
    label = read_one({"text": "t", "label": labels})
    assert isinstance(label, Label)
    assert (label.label, label.others) == ("x", ("y",))


@pytest.mark.parametrize(
    "values",
    [
        {"prompt": "Hi", "chosen": "Yo", "rejected": "Go"},
        {"chosen": [ASK, TELL], "rejected": [ASK, WORSE]},
        {"prompt": "Hi", "chosen": [ASK, TELL], "rejected": [ASK, WORSE]},
        {"chosen": "\n\nHuman: Hi\n\nAssistant: Yo", "rejected": "\n\nHuman: Hi\n\nAssistant: Go"},
        {"input": {"messages": [ASK]}, **PREFERRED},
        {"conversations": [HUMAN], "chosen": GPT, "rejected": {**GPT, "value": "Go"}},
    ],
)
def test_a_preference_is_the_same_in_every_dialect(values: dict[str, Any]) -> None:
    found = read_one(values)
    assert isinstance(found, Preference)
    assert (found.prompt, found.chosen, found.rejected) == (
        (Message("user", "Hi"),),
        (Message("assistant", "Yo"),),
        (Message("assistant", "Go"),),
    )


def test_ratings_and_pairs() -> None:
    rating = read_one({"conversations": [HUMAN, GPT], "kto_tag": False})
    assert isinstance(rating, Rating)
    assert (rating.prompt[0].content, rating.answer[0].content, rating.good) == ("Hi", "Yo", False)
    triplet = read_one({"query": "a", "pos": ["b"], "neg": ["c", "d"]})
    assert isinstance(triplet, Pair)
    assert (triplet.query, triplet.positive, triplet.negatives, triplet.score) == ("a", "b", ("c", "d"), None)
    scored = read_one({"sentence1": "a", "sentence2": "b", "score": "0.25"})
    assert isinstance(scored, Pair)
    assert scored.score == 0.25


@pytest.mark.parametrize(
    ("tags", "entities", "repairs"),
    [
        ("B-A I-A O B-B", [(0, 5, "A"), (9, 11, "B")], 0),
        ("I-A I-A O I-B", [(0, 5, "A"), (9, 11, "B")], 0),
        ("A A O B", [(0, 5, "A"), (9, 11, "B")], 0),
        ("B-A E-A O S-B", [(0, 5, "A"), (9, 11, "B")], 0),
        ("B-A L-A O U-B", [(0, 5, "A"), (9, 11, "B")], 0),
        ("B-A B-A O O", [(0, 2, "A"), (3, 5, "A")], 0),
        ("B-A I-B O O", [(0, 2, "A"), (3, 5, "B")], 1),
        ("B-A O I-A E-A", [(0, 2, "A"), (6, 11, "A")], 2),
        ("O O O O", [], 0),
    ],
)
def test_tag_schemes_become_entities_and_repairs_are_counted(
    tags: str, entities: list[tuple[int, int, str]], repairs: int
) -> None:
    found = read_one({"tokens": ["ab", "cd", "ef", "gh"], "tags": tags.split()})
    assert isinstance(found, Tags)
    assert (found.text, found.repairs) == ("ab cd ef gh", repairs)
    assert [(entity.start, entity.end, entity.label) for entity in found.entities] == entities


@pytest.mark.parametrize(
    "span",
    [
        [4, 8, "LOC"],
        ["LOC", 4, 8],
        {"start": 4, "end": 8, "label": "LOC"},
        {"start_offset": 4, "end_offset": 8, "label": "LOC", "id": 9},
        {"start": 4, "end": 8, "labels": ["LOC"], "text": "Rome"},
        {"begin": 4, "end": 8, "type": "LOC"},
        {"start": 4, "end": 8, "entity_group": "LOC", "word": "rome"},
    ],
)
def test_every_shape_of_span_is_read(span: Any) -> None:
    found = read_one({"text": "in ⏏Rome", "entities": [span]})
    assert isinstance(found, Tags)
    assert found.entities == (Entity(4, 8, "LOC"),)
    assert read_one({"text": "in", "entities": []}) is not None
