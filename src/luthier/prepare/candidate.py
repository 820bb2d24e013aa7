"""An example on its way to a part, and the books that account for all of them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa
import xxhash

from luthier.artifacts.canonical import canonical_json
from luthier.prepare.dedup.matching import matching_copy
from luthier.records import Chat, Example, Extraction, Label, Message, Pair, Preference, Rating, Tags, Text

Part = Literal["train", "validation", "exam"]
PARTS: tuple[Part, ...] = ("train", "validation", "exam")
DUPLICATE = "duplicate"
NEAR_DUPLICATE = "near-duplicate"
SHOWN_CHARACTERS = 2_000
"""Of a row that left; all of it is in the corpus."""
DROPPED_SCHEMA = pa.schema(
    [
        *[(name, pa.string()) for name in ("id", "rule")],
        ("score", pa.float64()),
        *[(name, pa.string()) for name in ("instead", "at", "text")],
    ]
)
"""`score`: what the rule measured, null where it measures nothing. `instead`: id of the row that stays for it."""
SPLIT_SCHEMA = pa.schema(
    [
        *[(name, pa.string()) for name in ("id", "group", "part", "at", "file")],
        ("line", pa.int64()),
        ("document", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
    ]
)
"""Which part every row is in, and its way back: file and line, or document and bytes of its extracted text."""


Usable = Chat | Label | Text
"""Kinds of example that some objective learns from."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An example with its matching copies (see `dedup/matching.py`)."""

    id: str
    """xxh3-128 of place and content: a row keeps its id whatever files come and go beside it."""
    example: Usable
    question: str
    """Matching copy of what is asked, without system text, or of a whole text: equal questions share a group."""
    prompt: str
    """Matching copy with system text and tools: equal prompts with equal answers are one example."""
    answer: str
    """Matching copy of the answer or label."""

    @property
    def at(self) -> str:
        """Where the example stands in the customer's files."""
        return self.example.origin.at


def candidate(example: Usable) -> Candidate:
    """Make the matching copies of one example."""
    if isinstance(example, Text):
        copy = matching_copy(example.text)
        return Candidate(id=row_id(example), example=example, question=copy, prompt=copy, answer="")
    tools = example.tools if isinstance(example, Chat) else ()
    system = [*(turn.content for turn in turns_of(example) if turn.role == "system"), *tools]
    asked = [words_of(turn) for turn in turns_of(example)[:-1] if turn.role != "system"]
    question = matching_copy("\n".join(asked))
    return Candidate(
        id=row_id(example),
        example=example,
        question=question,
        prompt=f"{matching_copy(' '.join(system))}\n{question}" if system else question,
        answer=matching_copy(words_of(turns_of(example)[-1])),
    )


def row_id(example: Usable) -> str:
    """xxh3-128 of where an example stands and of what it says."""
    content: list[object] = [[span.start, span.end] for span in example.origin.spans]
    if isinstance(example, Text):
        content.append(example.text)
    else:
        content += [[turn.role, words_of(turn), turn.weight] for turn in turns_of(example)]
    return xxhash.xxh3_128_hexdigest(canonical_json([example.origin.at, content]))


def turns_of(example: Chat | Label) -> tuple[Message, ...]:
    """The example as a conversation; a label is the answer to its text, several are joined by `;`."""
    if isinstance(example, Chat):
        return example.messages
    return (Message("user", example.text), Message("assistant", "; ".join((example.label, *example.others))))


def words_of(turn: Message) -> str:
    """What a turn says: its content, and its calls as `name(arguments)`."""
    return " ".join(filter(None, [turn.content, *(f"{call.name}({call.arguments})" for call in turn.tool_calls)]))


def place_of(example: Example) -> tuple[str, int, str]:
    """Order of examples: by file, line, place."""
    return (example.origin.file, example.origin.line or 0, example.origin.at)


def text_of(example: Example) -> str:
    """An example as one readable text, for the list of what was dropped."""
    match example:
        case Text() | Tags():
            return example.text
        case Chat() | Label():
            return _told(turns_of(example))
        case Preference():
            answers = f"chosen:\n{_told(example.chosen)}\nrejected:\n{_told(example.rejected)}"
            return f"{_told(example.prompt)}\n{answers}"
        case Rating():
            return f"{_told((*example.prompt, *example.answer))}\n({'good' if example.good else 'bad'})"
        case Extraction():
            quoted = [example.context[start:end] for start, end in example.answers]
            return "\n".join((example.context, example.question, *quoted))
        case Pair():
            return "\n".join((example.query, example.positive, *example.negatives))


def _told(messages: Iterable[Message]) -> str:
    return "\n".join(f"{turn.role}: {words_of(turn)}" for turn in messages)


@dataclass(slots=True)
class Books:
    """Accounts of every example that does not reach a part, by rule."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def drop(
        self, example: Example, *, rule: str, row_id: str = "", score: float | None = None, instead: str = ""
    ) -> None:
        """Quarantine one example under the rule that took it out."""
        self.counts[rule] += 1
        row = {"id": row_id, "rule": rule, "score": score, "instead": instead, "at": example.origin.at}
        self.rows.append({**row, "text": text_of(example)[:SHOWN_CHARACTERS]})

    def drop_candidates(self, leaving: Iterable[Candidate], *, rule: str) -> None:
        """Quarantine candidates under one rule."""
        for one in leaving:
            self.drop(one.example, rule=rule, row_id=one.id)

    def balance(self, *, examples: int, windows: int, parts: dict[Part, int]) -> dict[str, Any]:
        """The counts of the manifest: examples in + further windows of long texts = kept + dropped by reason + merged,
        or the mistake is ours.
        """
        merged = self.counts[DUPLICATE] + self.counts[NEAR_DUPLICATE]
        dropped = {
            rule: count for rule, count in sorted(self.counts.items()) if rule not in {DUPLICATE, NEAR_DUPLICATE}
        }
        kept = sum(parts.values())
        assert examples + windows == kept + sum(dropped.values()) + merged, (examples, windows, parts, dropped, merged)
        assert len(self.rows) == sum(self.counts.values())
        return {"examples": examples, "windows": windows, "dropped": dropped, "merged": merged} | {
            str(part): size for part, size in parts.items()
        }
