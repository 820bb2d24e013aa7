"""How records are laid out in the tables of artifacts, both ways."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from luthier.artifacts.tables import read_table, write_table
from luthier.records import Chat, Example, Item, Label, Message, Origin, Role, Text, Worded

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string()), ("weight", pa.int8())]))
EXAMPLE_SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("messages", MESSAGES),
        ("text", pa.string()),
        ("label", pa.string()),
        ("at", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("columns", pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))),
    ]
)
WORDED_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("group", pa.string()),
        ("at", pa.string()),
        ("ids", pa.list_(pa.int32())),
        ("trained", pa.list_(pa.bool_())),
        ("label", pa.int32()),
        ("answer_bytes", pa.int32()),
    ]
)
ITEM_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("document", pa.string()),
        ("task", pa.string()),
        ("messages", MESSAGES),
        ("golds", pa.list_(pa.string())),
        ("at", pa.string()),
    ]
)


def write_examples(path: Path, examples: Iterable[Example]) -> int:
    """Write examples of any kind to one table; returns the number of rows."""
    return write_table(path, map(_example_row, examples), schema=EXAMPLE_SCHEMA)


def read_examples(path: Path) -> Iterator[Example]:
    """Read what `write_examples` wrote, in order."""
    return map(_example, read_table(path))


def write_worded(path: Path, rows: Iterable[Worded]) -> int:
    """Write worded rows; returns the number of rows."""
    return write_table(
        path,
        (
            {
                "id": row.id,
                "group": row.group,
                "at": row.at,
                "ids": list(row.ids),
                "trained": list(row.trained),
                "label": row.label,
                "answer_bytes": row.answer_bytes,
            }
            for row in rows
        ),
        schema=WORDED_SCHEMA,
    )


def read_worded(path: Path) -> list[Worded]:
    """Read what `write_worded` wrote, in order."""
    return [
        Worded(
            id=row["id"],
            group=row["group"],
            at=row["at"],
            ids=tuple(row["ids"]),
            trained=tuple(row["trained"]),
            label=row["label"],
            answer_bytes=row["answer_bytes"],
        )
        for row in read_table(path)
    ]


def item_row(item: Item) -> dict[str, Any]:
    """One exam item as plain JSON values: the leaf of the seal is its canonical JSON."""
    return {
        "id": item.id,
        "document": item.document,
        "task": item.task,
        "messages": _message_rows(item.messages),
        "golds": list(item.golds),
        "at": item.at,
    }


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
        )
        for row in read_table(path)
    ]


def _message_rows(messages: Iterable[Message]) -> list[dict[str, Any]]:
    return [{"role": turn.role, "content": turn.content, "weight": turn.weight} for turn in messages]


def _messages(rows: Iterable[Mapping[str, Any]]) -> tuple[Message, ...]:
    return tuple(Message(cast(Role, row["role"]), row["content"], row["weight"]) for row in rows)


def _example_row(example: Example) -> dict[str, Any]:
    origin = example.origin
    row: dict[str, Any] = {
        "at": origin.at,
        "file": origin.file,
        "line": origin.line,
        "columns": [{"name": name, "value": value} for name, value in origin.columns.items()],
    }
    match example:
        case Chat():
            return {**row, "kind": "chat", "messages": _message_rows(example.messages)}
        case Label():
            return {**row, "kind": "label", "text": example.text, "label": example.label}
        case Text():
            return {**row, "kind": "text", "text": example.text}


def _example(row: Mapping[str, Any]) -> Example:
    columns = {column["name"]: column["value"] for column in row["columns"]}
    origin = Origin(at=row["at"], file=row["file"], line=row["line"], columns=columns)
    match row["kind"]:
        case "chat":
            return Chat(messages=_messages(row["messages"]), origin=origin)
        case "label":
            return Label(text=row["text"], label=row["label"], origin=origin)
        case _:
            return Text(text=row["text"], origin=origin)
