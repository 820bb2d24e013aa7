"""Row checks: forty planted bad rows in each kind of file are found on their lines, each with its reason."""

import csv
import io
import itertools
import re
from pathlib import Path
from typing import Any

import openpyxl
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.collect.config import CollectConfig
from luthier.collect.encoding import encoding_of
from luthier.collect.formats.check import BadRowError
from luthier.collect.formats.detect import Hints, detect, make_example, sample_rows
from luthier.collect.ledger import read_rejects
from luthier.collect.reading import Source
from luthier.collect.registry import row_formats, row_reader
from luthier.collect.stage import collect
from luthier.errors import UserError
from luthier.records import Reject, Row

PLANTED = 40


def judge(path: Path, kind: str) -> tuple[str, dict[int, str]]:
    """Format of a file, and line -> reason of every row that is refused."""
    items = list(row_reader(kind)(Source(path=path, name=path.name, encoding=encoding_of(path))))
    rows = [item for item in items if isinstance(item, Row)]
    fit = detect(path.name, sample_rows(rows), formats=row_formats(), hints=Hints())
    refused = {item.line: item.reason for item in items if isinstance(item, Reject)}
    for row in rows:
        try:
            make_example(row, fit, file=path.name)
        except BadRowError as error:
            refused[row.line] = str(error)
    return fit.format.name, refused


def check(refused: dict[int, str], planted: dict[int, str]) -> None:
    """Exactly the planted lines, each with its reason."""
    assert len(planted) == PLANTED
    assert sorted(refused) == sorted(planted)
    wrong = {line: (refused[line], reason) for line, reason in planted.items() if not re.search(reason, refused[line])}
    assert wrong == {}


ASK, TELL = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}
SYSTEM = {"role": "system", "content": "Be kind"}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer"},
                "unit": {"enum": ["C", "F"]},
                "hours": {"type": "array", "items": {"type": "number"}},
                "brief": {"type": ["boolean", "null"]},
            },
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def call(arguments: Any, *, name: str = "weather", call_id: str = "c1") -> dict[str, Any]:
    """A call as OpenAI writes it."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def calling(*calls: dict[str, Any], answers: tuple[str, ...] = ("c1",)) -> dict[str, Any]:
    """A row whose second turn calls tools, with an answer for each id."""
    replies = [{"role": "tool", "tool_call_id": answer, "content": "Sunny"} for answer in answers]
    return {"messages": [ASK, {"role": "assistant", "content": None, "tool_calls": list(calls)}, *replies, TELL]}


FINE = call('{"city": "Rome", "days": 2, "unit": "C", "hours": [1, 2.5], "brief": true}')
BAD_CHATS: list[tuple[Any, str]] = [
    (b'{"messages": [', "not valid JSON"),
    (b"{'messages': []}", "not valid JSON"),
    (b'{"score": NaN}', "not valid JSON"),
    (b"[1, 2]", "expected an object, got a list"),
    (b'"text"', "expected an object, got a string"),
    (b'{"messages": ' + b"[" * 60 + b"]" * 60 + b"}", "nested more than 50 levels"),
    ({"note": "no messages"}, "^messages is empty"),
    ({"messages": None}, "^messages is empty"),
    ({"messages": []}, "^messages is empty"),
    ({"messages": "Hi"}, "^messages is not a list"),
    ({"messages": [ASK, "Yo"]}, r"^messages\[1\] is not an object"),
    ({"messages": [ASK, {"content": "Yo"}]}, r"^messages\[1\]\.role None is unknown"),
    ({"messages": [ASK, {"role": "bot", "content": "Yo"}]}, r"^messages\[1\]\.role 'bot' is unknown"),
    (calling(call('{"city": "Rome", "brief": 1}')), r"arguments\.brief is a number, expected boolean or null"),
    ({"messages": [ASK, {"role": "assistant", "content": " \n"}]}, r"^messages\[1\]\.content is empty"),
    ({"messages": [ASK, TELL, ASK, {"role": "assistant", "content": ""}]}, r"^messages\[3\]\.content is empty"),
    ({"messages": [ASK, {"role": "assistant", "content": 7}]}, r"^messages\[1\]\.content is not text"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}, TELL]}, r"content\[0\] is not text"),
    ({"messages": [TELL]}, r"^messages\[0\] is an assistant turn first; expected system or user"),
    ({"messages": [ASK, SYSTEM, TELL]}, r"^messages\[1\] is a system turn after user"),
    ({"messages": [ASK, ASK, TELL]}, r"^messages\[1\] is a user turn after user; expected assistant"),
    ({"messages": [ASK, TELL, TELL]}, r"^messages\[2\] is an assistant turn after assistant; expected user"),
    ({"messages": [ASK, TELL, ASK]}, "^messages ends with a user turn"),
    ({"messages": [SYSTEM]}, "^messages ends with a system turn"),
    ({"messages": [ASK, {**TELL, "weight": 2}]}, r"^messages\[1\]\.weight is 2"),
    ({"messages": [ASK, {**TELL, "weight": "1"}]}, r"^messages\[1\]\.weight is '1'"),
    ({"messages": [ASK, {**TELL, "weight": 0}]}, "nothing to learn"),
    ({"messages": [ASK, {"role": "tool", "content": "Sunny"}, TELL]}, r"^messages\[1\] is a tool turn after user"),
    ({"messages": [{**ASK, "tool_calls": [FINE]}, TELL]}, r"^messages\[0\] calls a tool in a user turn"),
    (calling(FINE, call("{}", call_id="c2")), r"^messages\[1\]\.tool_calls\[1\] 'c2' is never answered"),
    (calling(FINE, answers=("c9",)), r"^messages\[2\]\.tool_call_id 'c9' answers no open call"),
    (calling(FINE, answers=("c1", "c1")), r"^messages\[3\]\.tool_call_id 'c1' answers no open call"),
    (calling(FINE, FINE), r"^messages\[1\]\.tool_calls\[1\]\.id 'c1' is used twice"),
    (calling(call("{}", name="news")), r"tool_calls\[0\] calls 'news', which is not among the tools"),
    (calling(call("city: Rome")), r"tool_calls\[0\]\.arguments is not a JSON object"),
    (calling(call('{"days": 2}')), r"tool_calls\[0\]\.arguments\.city is missing"),
    (calling(call('{"city": "Rome", "days": true}')), r"arguments\.days is true or false, expected integer"),
    (calling(call('{"city": "Rome", "unit": "K"}')), r'arguments\.unit is "K", expected one of \["C","F"\]'),
    (calling(call('{"city": "Rome", "hours": [1, "2"]}')), r"arguments\.hours\[1\] is text, expected number"),
    (calling(call('{"city": "Rome", "town": 1}')), r"arguments\.town is not known to the tool"),
]
GOOD_CHATS = [{"messages": [ASK, TELL], "tools": []}, calling(FINE), {"messages": [SYSTEM, ASK, TELL, ASK, TELL]}]


def test_forty_bad_lines_of_json_lines(tmp_path: Path) -> None:
    planted: dict[int, str] = {}
    lines: list[bytes] = []
    for place, (row, reason) in enumerate(BAD_CHATS):
        for good in (*GOOD_CHATS, *GOOD_CHATS, *GOOD_CHATS[: place % 3]):
            lines.append(orjson.dumps({"tools": [TOOL], **good}))
        lines += [b""] * (place % 2)
        lines.append(row if isinstance(row, bytes) else orjson.dumps({"tools": [TOOL], **row}))
        planted[len(lines)] = reason
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"\r\n".join(lines) + b"\r\n")
    name, refused = judge(path, "jsonl")
    assert name == "openai"
    check(refused, planted)


BAD_RECORDS = [
    ("bad\n", "1 cells where the header has 3"),
    ("a,b,c,d\n", "4 cells where the header has 3"),
    (",an answer,x\n", "^question is empty"),
    ('"\n ",an answer,x\n', "^question is empty"),
    ("a question,,x\n", "^answer is empty"),
    ('"a question," ",x"\n', "text follows a closing quote"),
    ('"a "quoted" word",b,c\n', "text follows a closing quote"),
    ('"never closed,b,c\n', "never closed"),
    ("question,answer,note\n", "the header stands here again"),
    ('"two\nlines",b\n', "2 cells where the header has 3"),
]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_forty_bad_records_among_cells_of_many_lines(tmp_path: Path, ending: str) -> None:
    planted: dict[int, str] = {}
    text = "question,answer,note\n"
    good = ['plain,"with, comma",x\n', '"two\nlines","three\n\n""quoted"" lines\n",y\n', "\n", 'a,b,"\n"\n', "c,d,\n"]
    for place, (record, reason) in zip(range(PLANTED), itertools.cycle(BAD_RECORDS), strict=False):
        text += "".join(good) + good[0] * (place % 4) + good[1] * 3
        planted[text.count("\n") + 1] = reason
        text += record
    path = tmp_path / "faq.csv"
    path.write_bytes(text.replace("\n", ending).encode())
    name, refused = judge(path, "csv")
    assert name == "qa"
    check(refused, planted)


BAD_SPANS: list[tuple[dict[str, Any], str]] = [
    ({"text": "", "entities": []}, "^text is empty"),
    ({"text": None, "entities": []}, "^text is empty"),
    ({"entities": [{"start": 3, "end": 9, "label": "LOC"}]}, r"entities\[0\] marks 3 to 9 of a text of 7 characters"),
    ({"entities": [{"start": 5, "end": 5, "label": "LOC"}]}, r"entities\[0\] marks 5 to 5"),
    ({"entities": [{"start": -3, "end": 2, "label": "LOC"}]}, r"entities\[0\] marks -3 to 2"),
    ({"entities": [{"start": 3, "end": 7, "label": " "}]}, r"entities\[0\]\.label is empty"),
    ({"entities": [{"start": 3, "end": 7, "label": None}]}, r"entities\[0\]\.label is empty"),
    ({"entities": [{"start": 2, "end": 6, "label": "LOC", "text": "Rome"}]}, r"quotes 'Rome', but the text there is"),
    ({"entities": [{"start": None, "end": 6, "label": "LOC"}]}, "no whole numbers for start and end"),
    ({"entities": [{"start": 3, "end": 7, "label": "LOC"}, {"start": 0, "end": 99, "label": "X"}]}, r"entities\[1\]"),
]


def test_forty_bad_rows_of_parquet(tmp_path: Path) -> None:
    planted, rows = {}, []
    good = {"text": "In Rome", "entities": [{"start": 3, "end": 7, "label": "LOC", "text": "Rome"}]}
    for place, (bad, reason) in zip(range(PLANTED), itertools.cycle(BAD_SPANS), strict=False):
        rows += [good, {"text": "Nowhere", "entities": []}] * 5 + [good] * (place % 3)
        rows.append({**good, **bad})
        planted[len(rows)] = reason
    path = tmp_path / "spans.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=100)
    name, refused = judge(path, "parquet")
    assert name == "spans"
    check(refused, planted)


BAD_RATINGS: list[tuple[list[Any], str]] = [
    (["", "Yo", True], "^prompt is empty"),
    (["Hi", None, True], "^completion is empty"),
    (["Hi", "  ", False], "^completion is empty"),
    (["Hi", "Yo", "maybe"], "^label is 'maybe'; expected true or false"),
    (["Hi", "Yo", None], "^label is ''; expected true or false"),
    (["Hi", "Yo", 2], "^label is '2'; expected true or false"),
]


def test_forty_bad_rows_of_two_sheets(tmp_path: Path) -> None:
    planted: dict[int, str] = {}
    book = openpyxl.Workbook()
    book.active.title = "Empty"
    sheet = book.create_sheet("Ratings")
    sheet.append([])
    sheet.append(["prompt", "completion", "label"])
    line = 2
    for place, (bad, reason) in zip(range(PLANTED), itertools.cycle(BAD_RATINGS), strict=False):
        rows: list[list[Any]] = [["Hi\nthere", "Yo", place % 2 == 0]] * (10 + place % 3) + [[]] * (place % 2)
        for row in (*rows, bad):
            sheet.append(row)
        line += len(rows) + 1
        planted[line] = reason
    path = tmp_path / "ratings.xlsx"
    book.save(path)
    name, refused = judge(path, "xlsx")
    assert name == "rating"
    check(refused, planted)


ASKED = {"context": "Rome", "question": "q"}
WHOLE = {"chosen": [ASK, TELL], "rejected": [ASK, {"role": "assistant", "content": "Go"}]}


@pytest.mark.parametrize(
    ("values", "wanted", "reason"),
    [
        ({"prompt": "Hi", "chosen": "Yo", "rejected": "Yo"}, "preference", "^chosen and rejected are the same"),
        ({"chosen": [ASK, TELL], "rejected": [ASK, TELL]}, "preference", "^chosen and rejected are the same"),
        ({"prompt": "Hi", "chosen": "", "rejected": "Yo"}, "preference", "^chosen is empty"),
        ({"prompt": None, "chosen": "a", "rejected": "b"}, "preference", "^prompt is empty"),
        ({"chosen": "a", "rejected": "b"}, "preference", "^prompt is empty"),
        ({**WHOLE, "prompt": "Another"}, "preference", "^prompt is not the prompt that chosen begins with"),
        ({**WHOLE, "rejected": [{**ASK, "content": "Ho"}, TELL]}, "preference", "do not begin with the same prompt"),
        ({**WHOLE, "chosen": [ASK, TELL, ASK]}, "preference", r"^\(prompt \+ chosen\) ends with a user turn"),
        ({"prompt": "Hi", "completion": "", "label": True}, "rating", "^completion is empty"),
        ({"conversations": [], "kto_tag": True}, "rating", "^conversations is empty"),
        ({"prompt": "Hi", "gold": "", "grader": "exact"}, "graded", "^gold is empty"),
        ({"prompt": "Hi", "gold": [], "grader": "exact"}, "graded", "^gold is empty"),
        ({"prompt": "Hi", "gold": "a", "grader": "psychic"}, "graded", "^grader: there is no grader 'psychic'"),
        (
            {"prompt": "Hi", "gold": "a", "grader": "numeric"},
            "graded",
            "^grader: grader numeric: the gold 'a' holds no",
        ),
        ({"prompt": [ASK, TELL], "gold": "a", "grader": "exact"}, "graded", r"^\(prompt \+ gold\)\[2\] is"),
        ({"conversations": [{"from": "cat", "value": "x"}]}, "sharegpt", r"^conversations\[0\]\.from 'cat' is unknown"),
        ({"conversations": [{"from": "human", "value": ""}]}, "sharegpt", r"^conversations\[0\]\.value is empty"),
        ({"messages": [SYSTEM, ASK, TELL], "system": "Other"}, "openai", "^system differs from the system turn"),
        ({"messages": [ASK, {"role": "assistant"}]}, "openai", r"^messages\[1\]\.content is missing"),
        ({"messages": [ASK, TELL], "tools": "weather"}, "openai", "^tools is not a list"),
        ({"messages": [ASK, TELL], "tools": [{"type": "function"}]}, "openai", r"^tools\[0\]\.name is empty"),
        ({"instruction": "a", "output": "b", "history": ["x"]}, "alpaca", r"^history\[0\] is not a question"),
        ({"instruction": "a", "output": "b", "history": [["x", ""]]}, "alpaca", r"^history\[0\]\[1\] is empty"),
        ({"question": "q", "answers": {"text": [], "answer_start": []}}, "qa", "^answers is empty"),
        (
            {**ASKED, "answers": {"text": ["ome"], "answer_start": [2]}},
            "extraction",
            "'me'$",
        ),
        (
            {**ASKED, "answers": {"text": ["ome"], "answer_start": []}},
            "extraction",
            "1 texts",
        ),
        (
            {**ASKED, "answers": [{"text": "R", "start": "0"}]},
            "extraction",
            "no whole number",
        ),
        ({"premise": "t", "hypothesis": "", "label": "no"}, "texts", "^hypothesis is empty"),
        ({"text": "t", "label": " ; "}, "label", "^label is empty"),
        ({"tokens": ["a", "b"], "tags": ["O"]}, "tokens", "^2 tokens and 1 tags"),
        ({"tokens": [], "tags": []}, "tokens", "^tokens is empty"),
        ({"tokens": ["a", " "], "tags": ["O", "O"]}, "tokens", r"^tokens\[1\] is empty"),
        ({"tokens": ["a"], "ner_tags": [3]}, "tokens", "^ner_tags holds numbers"),
        ({"tokens": ["a", "b"], "tags": ["B-X", "X"]}, "tokens", r"^tags\[1\] is 'X', and others are marked"),
        ({"text": "t", "entities": ["LOC"]}, "spans", r"^entities\[0\] has no start, end and label"),
        ({"text": "t", "annotations": [{"result": []}] * 2}, "spans", "holds the work of 2 annotators"),
        ({"text": "ab", "entities": [{"start": 0, "end": 1, "label": ["A", "B"]}]}, "spans", "label is a list"),
        ({"text": "ab", "entities": [{"start": True, "end": 1, "label": "A"}]}, "spans", "no whole numbers"),
        ({"text": "ab", "entities": [{"start": 0, "end": 1.5, "label": "A"}]}, "spans", "no whole numbers"),
        ({"text": "t", "entities": {"start": 0}}, "spans", "^entities is not a list"),
        ({"query": "a", "pos": ["b", "c"]}, "pair", "^pos has 2 texts; write one row for each"),
        ({"anchor": "a", "positive": "b", "negative": "b"}, "pair", "^negative repeats positive"),
        ({"sentence1": "a", "sentence2": "b", "score": 4.5}, "scored", "^score is 4.5, expected 0 to 1"),
        ({"sentence1": "a", "sentence2": "b", "score": "high"}, "scored", "^score is 'high', expected a number"),
    ],
)
def test_a_bad_row_says_why(values: dict[str, Any], wanted: str, reason: str) -> None:
    row = Row(at="t:1", line=1, values=values)
    fit = detect("t", [row], formats=row_formats(), hints=Hints(format=wanted))
    with pytest.raises(BadRowError, match=reason):
        make_example(row, fit, file="t")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"text": "t", "label": "billing"}, ""),
        ({"text": "t", "label": "biling"}, "label 'biling' is not one of collect.labels; did you mean 'billing'"),
        ({"text": "t", "label": "billing; x"}, "label 'x' is not one of collect.labels$"),
        ({"text": "t", "entities": [[0, 1, "bug"]]}, ""),
        ({"text": "t", "entities": [[0, 1, "bag"]]}, "label 'bag' is not one of collect.labels; did you mean 'bug'"),
        ({"question": "q", "answer": "a"}, ""),
    ],
)
def test_labels_outside_of_the_set_are_refused(values: dict[str, Any], reason: str) -> None:
    row = Row(at="t:1", line=1, values=values)
    fit = detect("t", [row], formats=row_formats(), hints=Hints(labels=frozenset({"billing", "bug"})))
    if not reason:
        make_example(row, fit, file="t")
        return
    with pytest.raises(BadRowError, match=reason):
        make_example(row, fit, file="t")


def test_refused_rows_are_kept_with_line_and_byte(tmp_path: Path) -> None:
    good = '"two\nlines",fine\n'
    (tmp_path / "tickets.csv").write_text(f"text,label\n{good * 3}one,\n{good}x,odd\n{good * 5}", encoding="utf-8")
    config = CollectConfig(sources=["."], labels=["fine"], bad_rows=0.5)
    corpus = collect([tmp_path / "tickets.csv"], config=config, out=tmp_path / "corpus")
    rejects = read_rejects(corpus.file("rejects.parquet"))
    assert [(bad.line, bad.offset, bad.reason) for bad in rejects] == [
        (8, 11 + 3 * len(good), "label is empty"),
        (11, 11 + 4 * len(good) + 5, "label 'odd' is not one of collect.labels"),
    ]
    assert corpus.manifest.counts["rows"] == {"read": 11, "examples": 9, "rejects": 2}


def test_conversations_written_as_json_in_csv_cells_are_checked_too(tmp_path: Path) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "messages"])
    for number in range(20):
        writer.writerow([number, orjson.dumps([ASK, TELL] if number != 7 else [ASK]).decode()])
    path = tmp_path / "chats.csv"
    path.write_text(out.getvalue())
    name, refused = judge(path, "csv")
    assert (name, list(refused)) == ("openai", [9])


KEYS = st.sampled_from(
    [
        *("role", "from", "content", "value", "tool_calls", "function", "name", "arguments", "parameters", "type"),
        *("required", "properties", "enum", "start", "end", "label", "text", "result", "messages", "id", "weight"),
    ]
)
LEAVES = st.none() | st.booleans() | st.integers(-2, 9) | st.floats() | st.sampled_from(["", " ", "user", "assistant"])
WORDS = st.sampled_from(
    ["gpt", "function_call", "B-X", "O", "object", "\n\nHuman: a\n\nAssistant: b", "[[0, 1, 2]]", "{"]
)
ANYTHING = st.recursive(
    LEAVES | WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_stands_in_a_cell_makes_an_example_or_a_reason(data: st.DataObject) -> None:
    rule = data.draw(st.sampled_from(row_formats()))
    roles = [*rule.required, *(role for role in rule.optional if data.draw(st.booleans()))]
    values = {([*rule.required.get(role, ()), *rule.optional.get(role, ())])[0]: data.draw(ANYTHING) for role in roles}
    row = Row(at="t:1", line=1, values=values)
    try:
        fit = detect("t", [row], formats=row_formats(), hints=Hints())
    except UserError:
        fit = detect("t", [row], formats=row_formats(), hints=Hints(format=rule.name))
    try:
        example = make_example(row, fit, file="t")
    except BadRowError:
        return
    assert example.origin.line == 1
