"""How records are laid out in the tables of artifacts, both ways."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from luthier.artifacts.tables import read_table, write_table
from luthier.artifacts.worded import WORDED_SCHEMA, table_of_batch, worded_batches
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
    Role,
    Span,
    Tags,
    Text,
    ToolCall,
    Worded,
)

KINDS: dict[type[Example], str] = {
    Chat: "chat",
    Label: "label",
    Text: "text",
    Preference: "preference",
    Rating: "rating",
    Graded: "graded",
    Tags: "tags",
    Extraction: "extraction",
    Pair: "pair",
}
"""What each kind of example is called in tables and counts."""
TOOL_CALLS = pa.list_(pa.struct([("name", pa.string()), ("arguments", pa.string()), ("id", pa.string())]))
MESSAGES = pa.list_(
    pa.struct(
        [
            ("role", pa.string()),
            ("content", pa.string()),
            ("weight", pa.int8()),
            ("tool_calls", TOOL_CALLS),
            ("tool_call_id", pa.string()),
            ("name", pa.string()),
        ]
    )
)
SPAN = pa.struct([("document", pa.string()), ("start", pa.int64()), ("end", pa.int64())])
ORIGIN_FIELDS = [
    ("at", pa.string()),
    ("file", pa.string()),
    ("line", pa.int64()),
    ("columns", pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))),
    ("spans", pa.list_(SPAN)),
    ("made_by", pa.string()),
    ("parent", pa.string()),
]
EXAMPLE_SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("messages", MESSAGES),
        ("tools", pa.list_(pa.string())),
        ("chosen", MESSAGES),
        ("rejected", MESSAGES),
        ("answer", MESSAGES),
        ("good", pa.bool_()),
        ("golds", pa.list_(pa.string())),
        ("graders", pa.string()),
        ("text", pa.string()),
        ("label", pa.string()),
        ("others", pa.list_(pa.string())),
        ("second", pa.string()),
        ("entities", pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64()), ("label", pa.string())]))),
        ("repairs", pa.int32()),
        ("question", pa.string()),
        ("context", pa.string()),
        ("answers", pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64())]))),
        ("query", pa.string()),
        ("positive", pa.string()),
        ("negatives", pa.list_(pa.string())),
        ("score", pa.float64()),
        *ORIGIN_FIELDS,
    ]
)
"""One table for every kind; `messages` holds a chat, or the prompt of answers."""
ITEM_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("document", pa.string()),
        ("task", pa.string()),
        ("messages", MESSAGES),
        ("golds", pa.list_(pa.string())),
        ("at", pa.string()),
        ("tools", pa.list_(pa.string())),
        ("claim", pa.string()),
        ("options", pa.list_(pa.string())),
        ("span", SPAN),
        ("family", pa.string()),
        ("flags", pa.list_(pa.string())),
    ]
)
PASSAGES = "passages.parquet"
"""File of an exam: the source of each item that was cut from a text."""
EXAMPLES = "examples.parquet"
"""File of an exam: questions like its own, as items, that may be shown with their answers."""
PASSAGE_SCHEMA = pa.schema([("item", pa.string()), ("text", pa.string())])
TASKS = "tasks.parquet"
"""File of an exam: general tasks, each a question whose first option is right."""
SEARCH = "search"
"""Suite of general tasks for embedders: pairs of a query and the only text that belongs to it."""
TASK_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("suite", pa.string()),
        ("cluster", pa.string()),
        ("question", pa.string()),
        ("options", pa.list_(pa.string())),
    ]
)
CANARIES = "canaries.parquet"
"""File of an exam: secrets that were planted in training, if any were."""
CANARY_GROUP = "planted:"
"""What groups of training rows begin with that hold nothing but a canary."""
CANARY_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("question", pa.string()),
        ("secret", pa.string()),
        ("repeats", pa.int32()),
        ("fillers", pa.list_(pa.string())),
    ]
)
SHIPPED = "shipped.parquet"
"""File of a model that is not its best checkpoint: what validation rows cost both, and whether they got them right."""
SHIPPED_SCHEMA = pa.schema(
    [
        ("group", pa.string()),
        ("best_nats", pa.float64()),
        ("shipped_nats", pa.float64()),
        ("best_right", pa.float64()),
        ("shipped_right", pa.float64()),
    ]
)


def write_examples(path: Path, examples: Iterable[Example]) -> int:
    """Write examples of any kind to one table; returns the number of rows."""
    return write_table(path, map(_example_row, examples), schema=EXAMPLE_SCHEMA)


def read_examples(path: Path) -> Iterator[Example]:
    """Read what `write_examples` wrote, in order."""
    return map(example_of, read_table(path))


def write_worded(path: Path, rows: Iterable[Worded]) -> int:
    """Write worded rows; returns the number of rows."""
    return write_table(
        path,
        ({name: getattr(row, name) for name in WORDED_SCHEMA.names} for row in rows),
        schema=WORDED_SCHEMA,
    )


def read_worded(path: Path) -> list[Worded]:
    """Read what `write_worded` wrote, in order."""
    return [row for batch in worded_batches(path) for row in table_of_batch(batch)]


def item_row(item: Item) -> dict[str, Any]:
    """One exam item as plain JSON values: the leaf of the seal is its canonical JSON."""
    row: dict[str, Any] = {
        "id": item.id,
        "document": item.document,
        "task": item.task,
        "messages": _message_rows(item.messages),
        "golds": list(item.golds),
        "at": item.at,
    }
    # Absent where empty, so that the leaf of an item is the same whether or not such things exist.
    lists = {name: list(value) for name in ("tools", "options", "flags") if (value := getattr(item, name))}
    row |= {"claim": item.claim} if item.claim != "SKILL" else {}
    row |= {"span": asdict(item.span)} if item.span else {}
    return row | lists | ({"family": item.family} if item.family else {})


def write_items(path: Path, items: Iterable[Item]) -> int:
    """Write exam items; returns the number of rows."""
    return write_table(path, map(item_row, items), schema=ITEM_SCHEMA)


def read_items(path: Path) -> list[Item]:
    """Read what `write_items` wrote, in order."""
    return [
        Item(
            id=row["id"],
            document=row["document"],
            task=row["task"],
            messages=_messages(row["messages"]),
            golds=tuple(row["golds"]),
            at=row["at"],
            tools=tuple(row.get("tools") or ()),
            claim=row.get("claim") or "SKILL",
            options=tuple(row.get("options") or ()),
            span=Span(**row["span"]) if row.get("span") else None,
            family=row.get("family") or "",
            flags=tuple(row.get("flags") or ()),
        )
        for row in read_table(path)
    ]


def write_passages(path: Path, passages: Mapping[str, str]) -> int:
    """Write the source text of each item, by its id; returns the number of rows."""
    return write_table(path, ({"item": item, "text": text} for item, text in passages.items()), schema=PASSAGE_SCHEMA)


def read_passages(path: Path) -> dict[str, str]:
    """Read what `write_passages` wrote."""
    return {row["item"]: row["text"] for row in read_table(path)}


def _message_rows(messages: Iterable[Message]) -> list[dict[str, Any]]:
    return [_message_row(turn) for turn in messages]


def _message_row(turn: Message) -> dict[str, Any]:
    row: dict[str, Any] = {"role": turn.role, "content": turn.content, "weight": turn.weight}
    # Absent where empty, so that the leaf of an exam item is the same whether or not tools exist.
    if turn.tool_calls:
        row["tool_calls"] = [asdict(call) for call in turn.tool_calls]
    return row | {name: value for name in ("tool_call_id", "name") if (value := getattr(turn, name))}


def _messages(rows: Iterable[Mapping[str, Any]]) -> tuple[Message, ...]:
    return tuple(
        Message(
            role=cast(Role, row["role"]),
            content=row["content"],
            weight=row["weight"],
            tool_calls=tuple(ToolCall(**call) for call in row["tool_calls"] or ()),
            tool_call_id=row["tool_call_id"] or "",
            name=row["name"] or "",
        )
        for row in rows
    )


def _example_row(example: Example) -> dict[str, Any]:
    return {"kind": KINDS[type(example)], **_content_row(example), **_origin_row(example.origin)}


def _content_row(example: Example) -> dict[str, Any]:
    match example:
        case Chat():
            return {"messages": _message_rows(example.messages), "tools": list(example.tools)}
        case Label():
            labels = {"label": example.label, "others": list(example.others)}
            return {"text": example.text, "second": example.second, **labels}
        case Text():
            return {"text": example.text}
        case Preference():
            answers = {"chosen": _message_rows(example.chosen), "rejected": _message_rows(example.rejected)}
            return {"messages": _message_rows(example.prompt), "tools": list(example.tools), **answers}
        case Rating():
            answer = {"answer": _message_rows(example.answer), "good": example.good}
            return {"messages": _message_rows(example.prompt), "tools": list(example.tools), **answer}
        case Graded():
            given = {"golds": list(example.golds), "graders": example.graders}
            return {"messages": _message_rows(example.prompt), **given}
        case Tags():
            entities = [asdict(entity) for entity in example.entities]
            return {"text": example.text, "entities": entities, "repairs": example.repairs}
        case Extraction():
            stretches = [{"start": start, "end": end} for start, end in example.answers]
            return {"question": example.question, "context": example.context, "answers": stretches}
        case Pair():
            texts = {"query": example.query, "positive": example.positive, "negatives": list(example.negatives)}
            return {**texts, "score": example.score}


def _origin_row(origin: Origin) -> dict[str, Any]:
    return {
        "at": origin.at,
        "file": origin.file,
        "line": origin.line,
        "columns": [{"name": name, "value": value} for name, value in origin.columns.items()],
        "spans": [asdict(span) for span in origin.spans],
        "made_by": origin.made_by,
        "parent": origin.parent,
    }


def example_of(row: Mapping[str, Any]) -> Example:
    """The example that `write_examples` made into a row."""
    origin = _origin(row)
    tools = tuple(row["tools"] or ())
    match row["kind"]:
        case "chat":
            return Chat(messages=_messages(row["messages"]), origin=origin, tools=tools)
        case "label":
            return Label(row["text"], row["label"], origin, tuple(row["others"]), row.get("second") or "")
        case "preference":
            chosen, rejected = _messages(row["chosen"]), _messages(row["rejected"])
            return Preference(_messages(row["messages"]), chosen, rejected, origin, tools)
        case "rating":
            return Rating(_messages(row["messages"]), _messages(row["answer"]), row["good"], origin, tools)
        case "graded":
            return Graded(_messages(row["messages"]), tuple(row["golds"]), row["graders"], origin)
        case "tags":
            return Tags(row["text"], tuple(Entity(**entity) for entity in row["entities"]), origin, row["repairs"])
        case "extraction":
            answers = tuple((answer["start"], answer["end"]) for answer in row["answers"])
            return Extraction(row["question"], row["context"], answers, origin)
        case "pair":
            return Pair(row["query"], row["positive"], tuple(row["negatives"]), row["score"], origin)
        case _:
            return Text(text=row["text"], origin=origin)


def _origin(row: Mapping[str, Any]) -> Origin:
    return Origin(
        at=row["at"],
        file=row["file"],
        line=row["line"],
        columns={column["name"]: column["value"] for column in row["columns"]},
        spans=tuple(Span(**span) for span in row["spans"]),
        made_by=row["made_by"],
        parent=row["parent"],
    )
