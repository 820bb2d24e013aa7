"""Formats: recognised by their columns, checked row by row."""

from typing import Any

import pytest

from luthier.collect.formats.check import BadRowError, plain_text
from luthier.collect.formats.detect import Hints, check_names, detect, make_example
from luthier.collect.registry import row_formats
from luthier.errors import UserError
from luthier.records import Chat, Example, Label, Row, Text


def example_of(
    values: dict[str, Any], *, names: dict[str, list[str]] | None = None, wanted: str = "auto"
) -> tuple[str, Example]:
    row = Row(at="t.csv:2", line=2, values=values)
    fit = detect("t.csv", [row], formats=row_formats(), hints=Hints(names or {}, wanted))
    return fit.format.name, make_example(row, fit, file="t.csv")


def turns(example: Example) -> list[tuple[str, str]]:
    assert isinstance(example, Chat)
    return [(turn.role, turn.content) for turn in example.messages]


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        ({"instruction": "Sum", "input": "1 2", "output": "3"}, "alpaca", [("user", "Sum\n\n1 2"), ("assistant", "3")]),
        (
            {"instruction": "Hi", "input": "", "output": "Yo", "system": "Be kind", "text": "rendered"},
            "alpaca",
            [("system", "Be kind"), ("user", "Hi"), ("assistant", "Yo")],
        ),
        ({"prompt": "Hi", "completion": "Yo"}, "prompt", [("user", "Hi"), ("assistant", "Yo")]),
        ({"prompt": "Hi", "response": "Yo"}, "prompt", [("user", "Hi"), ("assistant", "Yo")]),
        (
            {"Question": "Why?", "ANSWER": 42, "context": "Because."},
            "qa",
            [("user", "Because.\n\nWhy?"), ("assistant", "42")],
        ),
        (
            {"prompt": [{"role": "user", "content": "Hi"}], "completion": [{"role": "assistant", "content": "Yo"}]},
            "prompt",
            [("user", "Hi"), ("assistant", "Yo")],
        ),
    ],
)
def test_conversation_formats(values: dict[str, Any], name: str, expected: list[tuple[str, str]]) -> None:
    found, example = example_of(values)
    assert found == name
    assert turns(example) == expected


def test_labels_texts_and_messages() -> None:
    assert example_of({"sentence": "Nice", "sentiment": " good "})[0] == "label"
    _, label = example_of({"text": "Nice", "label": 1, "source": "web"})
    assert isinstance(label, Label)
    assert (label.text, label.label, label.origin.columns) == ("Nice", "1", {"source": "web"})
    _, text = example_of({"text": "Long prose.", "id": 7})
    assert isinstance(text, Text)
    assert text.origin.columns == {"id": "7"}
    weighted = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "weight": 0},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": "d"},
    ]
    _, chat = example_of({"messages": weighted, "code": "A00.1"})
    assert isinstance(chat, Chat)
    assert [turn.weight for turn in chat.messages] == [1, 0, 1, 1]
    assert chat.origin.columns == {"code": "A00.1"}


def test_own_names_win_and_free_roles_ride_along() -> None:
    names = {"question": ["Diagnosis"], "answer": ["Chapter"], "code": ["Code", "ICD-10 code"]}
    name, example = example_of(
        {"icd-10 CODE": "A00", "Diagnosis": "Cholera", "Chapter": "One", "Site": "N"}, names=names
    )
    assert name == "qa"
    assert turns(example) == [("user", "Cholera"), ("assistant", "One")]
    assert example.origin.columns == {"Site": "N", "code": "A00"}
    # The same settings leave a table with the usual names alone.
    assert example_of({"text": "Cholera", "label": "One", "code": "A00"}, names=names)[0] == "label"


def test_two_formats_that_fit_are_an_error_that_names_both() -> None:
    values = {"question": "q", "answer": "a", "text": "t", "label": "l"}
    with pytest.raises(UserError, match=r"t\.csv: the columns fit 'qa' .* or 'label'") as caught:
        example_of(values)
    assert "collect.format" in str(caught.value)
    assert example_of(values, wanted="label")[0] == "label"
    assert example_of(values, names={"question": ["question"], "answer": ["answer"]})[0] == "qa"


def test_a_missing_column_names_file_columns_and_setting() -> None:
    with pytest.raises(UserError) as caught:
        example_of({"Frage": "q", "answer": "a"})
    message = str(caught.value)
    for part in ("t.csv", "'Frage', 'answer'", "missing column", "collect.columns: {question: NAME}"):
        assert part in message
    with pytest.raises(UserError, match="label: NAME"):
        example_of({"text": "t", "klass": "l"}, wanted="label")


def test_a_format_needs_its_columns_in_nine_rows_of_ten() -> None:
    rows = [Row("t:1", 1, {"prompt": "a", "completion": "b"})] * 8 + [Row("t:9", 9, {"text": "c"})] * 2
    with pytest.raises(UserError, match="missing column"):
        detect("t", rows, formats=row_formats(), hints=Hints())
    fit = detect("t", rows[:8] + rows[-1:] * 0 + rows[:1], formats=row_formats(), hints=Hints())
    assert fit.format.name == "prompt"


def test_a_name_that_no_file_has_is_taken_for_a_typing_error() -> None:
    with pytest.raises(UserError, match=r"collect\.columns\.question: .*'Diagnos'.* Did you mean 'Diagnosis'"):
        check_names({"question": ["Diagnos"]}, ["Diagnosis", "Chapter"])
    check_names({"question": ["diagnosis"]}, ["Diagnosis"])


USER = {"role": "user", "content": "Hi"}
REPLY = {"role": "assistant", "content": "Yo"}


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "messages is empty"),
        ("Hi", "messages is not a list"),
        ([USER, {"role": "assistant", "content": " "}], r"messages\[1\]\.content is empty"),
        ([USER, {"role": "assistant", "content": None}], r"messages\[1\]\.content is missing"),
        ([USER, {"role": "assistant", "content": ["x"]}], r"messages\[1\]\.content\[0\] is not text"),
        ([USER, {"role": "bot", "content": "x"}], r"messages\[1\]\.role 'bot' is unknown"),
        ([USER, USER, REPLY], r"messages\[1\] is a user turn after user"),
        ([REPLY], r"messages\[0\] is an assistant turn first"),
        ([USER], "ends with a user turn"),
        ([USER, {**REPLY, "weight": 2}], r"messages\[1\]\.weight is 2"),
        ([USER, {**REPLY, "weight": 0}], "nothing to learn"),
        ([USER, {"role": "assistant", "content": None, "tool_calls": [{}]}], r"tool_calls\[0\]\.name is empty"),
        ([USER, "Yo"], r"messages\[1\] is not an object"),
    ],
)
def test_bad_conversations_get_a_reason(messages: Any, reason: str) -> None:
    with pytest.raises(BadRowError, match=reason):
        example_of({"messages": messages})


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"question": "q", "answer": "  "}, "answer is empty"),
        ({"question": None, "answer": "a"}, "question is empty"),
        ({"question": "q", "answer": float("nan")}, "answer is empty"),
        ({"text": "t", "label": ["a", ""]}, r"label\[1\] is empty"),
        ({"text": "", "label": "x"}, "text is empty"),
        ({"text": "\n"}, "text is empty"),
    ],
)
def test_bad_rows_get_a_reason(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRowError, match=reason):
        example_of(values)


def test_cells_become_plain_text() -> None:
    cells = [None, True, 3.0, 2.5, [1, {"b": None, "a": "ü"}], b"\x01", "x "]
    assert [plain_text(cell) for cell in cells] == ["", "true", "3", "2.5", '[1,{"a":"ü","b":null}]', "01", "x "]
