"""An example on its way to a part, and the books that account for all of them."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa
import xxhash

from luthier.artifacts.canonical import canonical_json
from luthier.prepare.dedup.matching import matching_copy
from luthier.records import Chat, Example, Extraction, Graded, Label, Message, Pair, Preference, Rating, Tags, Text

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


Conversation = Chat | Label | Preference | Rating | Graded | Extraction
"""Kinds of example that can be told in turns."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An example with its matching copies (see `dedup/matching.py`)."""

    id: str
    """xxh3-128 of place and content: a row keeps its id whatever files come and go beside it."""
    example: Example
    question: str
    """Matching copy of what is asked, without system text, or of a whole text: equal questions share a group."""
    prompt: str
    """Matching copy with system text and tools: equal prompts with equal answers are one example."""
    answer: str
    """Matching copy of the answer, the label, or whatever else is said of the prompt."""
    subject: str
    """What is judged: other answers on the same subject are in conflict."""
    parts: tuple[str, ...] = ()
    """Matching copies of texts that must each be alike in near-duplicates, lest a long one drown a short one."""
    shared: tuple[str, ...] = ()
    """Matching copies of further texts that must not stand on both sides of a split."""

    @property
    def at(self) -> str:
        """Where the example stands in the customer's files."""
        return self.example.origin.at


def candidate(example: Example) -> Candidate:
    """Make the matching copies of one example."""
    match example:
        case Text():
            return _copied(example, example.text)
        case Tags():
            named = [f"{one.label} {example.text[one.start : one.end]}" for one in example.entities]
            return _copied(example, example.text, answer="\n".join(named))
        case Extraction():
            quoted = [example.context[start:end] for start, end in example.answers]
            asked = f"{example.context}\n{example.question}"
            found = _copied(example, asked, answer="\n".join(quoted), parts=(example.question, example.context))
            return dataclasses.replace(found, shared=found.parts[1:])
        case Pair():
            score = "" if example.score is None else str(example.score)
            others = (example.positive, *example.negatives, score)
            found = _copied(example, example.query, answer="\n".join(others), parts=others)
            # Only a score can be contradicted: a query may have many positives.
            subject = f"{found.prompt}\n{found.parts[0] if score else found.answer}"
            return dataclasses.replace(found, subject=subject, shared=found.parts[:1])
        case Preference():
            answers = tuple("\n".join(map(words_of, turns)) for turns in (example.chosen, example.rejected))
            found = _asked(example, example.prompt, answer="\n".join(answers), parts=answers)
            return dataclasses.replace(found, subject="\n".join((found.prompt, *sorted(found.parts))))
        case Rating():
            answer, verdict = "\n".join(map(words_of, example.answer)), "good" if example.good else "bad"
            found = _asked(example, example.prompt, answer=f"{answer}\n{verdict}", parts=(verdict,))
            return dataclasses.replace(found, subject=f"{found.prompt}\n{matching_copy(answer)}")
        case Graded():
            return _asked(example, example.prompt, answer="\n".join((*example.golds, example.graders)), parts=())
        case Chat() | Label():
            *prompt, last = turns_of(example)
            texts = (example.text, example.second) if isinstance(example, Label) and example.second else ()
            found = _asked(example, prompt, answer=words_of(last), parts=texts)
            return dataclasses.replace(found, shared=found.parts)


def _asked(example: Conversation, prompt: Sequence[Message], *, answer: str, parts: Sequence[str]) -> Candidate:
    """An example with a prompt of turns."""
    tools = () if isinstance(example, Label | Extraction | Graded) else example.tools
    system = [*(turn.content for turn in prompt if turn.role == "system"), *tools]
    found = _copied(
        example, "\n".join(words_of(turn) for turn in prompt if turn.role != "system"), answer=answer, parts=parts
    )
    if not system:
        return found
    told = f"{matching_copy(' '.join(system))}\n{found.question}"
    return dataclasses.replace(found, prompt=told, subject=told)


def _copied(example: Example, asked: str, *, answer: str = "", parts: Sequence[str] = ()) -> Candidate:
    question = matching_copy(asked)
    copies = tuple(matching_copy(part) for part in parts)
    return Candidate(row_id(example), example, question, question, matching_copy(answer), question, copies)


def row_id(example: Example) -> str:
    """xxh3-128 of where an example stands and of what it says."""
    content: list[object] = [[span.start, span.end] for span in example.origin.spans]
    match example:
        case Text():
            content.append(example.text)
        case Tags():
            content += [example.text, *([one.start, one.end, one.label] for one in example.entities)]
        case Extraction():
            content += [example.question, example.context, *(list(answer) for answer in example.answers)]
        case Pair():
            content += [example.query, example.positive, list(example.negatives), example.score]
        case Preference():
            content += [_said(turns) for turns in (example.prompt, example.chosen, example.rejected)]
        case Rating():
            content += [_said(example.prompt), _said(example.answer), example.good]
        case Graded():
            content += [_said(example.prompt), list(example.golds), example.graders]
        case Chat() | Label():
            content += _said(turns_of(example))
    return xxhash.xxh3_128_hexdigest(canonical_json([example.origin.at, content]))


def turns_of(example: Conversation) -> tuple[Message, ...]:
    """The example as a conversation with its better answer; a label is the answer to its text, several are joined by
    `;`, and so are two texts by an empty line.
    """
    match example:
        case Chat():
            return example.messages
        case Preference():
            return (*example.prompt, *example.chosen)
        case Rating():
            return (*example.prompt, *example.answer)
        case Graded():
            return (*example.prompt, Message("assistant", example.golds[0]))
        case Extraction():
            answers = [example.context[start:end] for start, end in example.answers]
            asked = f"{example.context}\n\n{example.question}"
            return (Message("user", asked), Message("assistant", next(iter(answers), "")))
        case Label():
            text = f"{example.text}\n\n{example.second}" if example.second else example.text
            return (Message("user", text), Message("assistant", "; ".join(example.labels)))


def _said(turns: Iterable[Message]) -> list[object]:
    return [[turn.role, words_of(turn), turn.weight] for turn in turns]


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
        case Chat() | Label() | Graded():
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

    def balance(self, *, examples: int, windows: int, planted: int, parts: dict[Part, int]) -> dict[str, Any]:
        """The counts of the manifest: examples in + further windows of long texts + planted rows = kept + dropped by
        reason + merged, or the mistake is ours.
        """
        merged = self.counts[DUPLICATE] + self.counts[NEAR_DUPLICATE]
        dropped = {
            rule: count for rule, count in sorted(self.counts.items()) if rule not in {DUPLICATE, NEAR_DUPLICATE}
        }
        kept = sum(parts.values())
        told = {"examples": examples, "windows": windows} | ({"planted": planted} if planted else {})
        assert sum(told.values()) == kept + sum(dropped.values()) + merged, (told, parts, dropped, merged)
        assert len(self.rows) == sum(self.counts.values())
        return {**told, "dropped": dropped, "merged": merged} | {str(part): size for part, size in parts.items()}
