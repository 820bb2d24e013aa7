"""Mask whole examples: every text a model may read, and the columns that came with it."""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from luthier.prepare.private.mask import Finding, Masked, Rules, mask_texts
from luthier.records import (
    Chat,
    Entity,
    Example,
    Extraction,
    Graded,
    Label,
    Message,
    Pair,
    Preference,
    Rating,
    Tags,
    Text,
)

BATCH = 1_000_000
"""Characters that are read together."""
BARE_CODE = re.compile(r"([:\[,]\s*)-?(\[[A-Z_]+_[A-Z2-7]{5}\])(?=\s*[,}\]])")


@dataclass(frozen=True, slots=True)
class MaskedExample:
    """An example after masking, and what was found in which of its texts (`messages[0]`, `text`, `columns[tel]`)."""

    example: Example
    findings: tuple[tuple[str, Finding], ...]

    @property
    def drop(self) -> bool:
        """Whether the example must be set aside: it holds a type whose action is `drop`. Its text is masked too."""
        return any(finding.action == "drop" for _, finding in self.findings)

    @property
    def codes(self) -> frozenset[str]:
        """The pseudonyms of all that was found: how `forget` knows a person's rows."""
        return frozenset(finding.code for _, finding in self.findings)


def mask_examples(examples: Iterable[Example], *, rules: Rules) -> Iterator[MaskedExample]:
    """Mask examples in order. A column's name is context for its value; class labels stay as they are."""
    batch: list[Example] = []
    size = 0
    for example in examples:
        batch.append(example)
        size += sum(len(text) for _, text in texts_of(example))
        if size >= BATCH:
            yield from _mask_batch(batch, rules)
            batch, size = [], 0
    yield from _mask_batch(batch, rules)


def texts_of(example: Example) -> list[tuple[str, str]]:
    """(field, text) of everything in an example that is masked; a column reads `name: value`."""
    columns = [(f"columns[{name}]", f"{name}: {value}") for name, value in example.origin.columns.items()]
    return [*_content(example), *columns]


def _content(example: Example) -> list[tuple[str, str]]:
    match example:
        case Chat():
            return [*_turns("messages", example.messages), *_tools(example.tools)]
        case Label():
            second = [("second", example.second)] if example.second else []
            return [("text", example.text), *second]
        case Text() | Tags():
            return [("text", example.text)]
        case Preference():
            parts = {"prompt": example.prompt, "chosen": example.chosen, "rejected": example.rejected}
            return [*(text for name, turns in parts.items() for text in _turns(name, turns)), *_tools(example.tools)]
        case Rating():
            return [*_turns("prompt", example.prompt), *_turns("answer", example.answer), *_tools(example.tools)]
        case Graded():
            golds = [(f"golds[{place}]", gold) for place, gold in enumerate(example.golds)]
            return [*_turns("prompt", example.prompt), *golds]
        case Extraction():
            return [("question", example.question), ("context", example.context)]
        case Pair():
            negatives = [(f"negatives[{place}]", text) for place, text in enumerate(example.negatives)]
            return [("query", example.query), ("positive", example.positive), *negatives]


def _turns(name: str, turns: Sequence[Message]) -> list[tuple[str, str]]:
    texts = []
    for place, turn in enumerate(turns):
        texts.append((f"{name}[{place}]", turn.content))
        texts += [(f"{name}[{place}].tool_calls[{at}]", call.arguments) for at, call in enumerate(turn.tool_calls)]
    return texts


def _tools(tools: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"tools[{place}]", tool) for place, tool in enumerate(tools)]


def _mask_batch(batch: Sequence[Example], rules: Rules) -> Iterator[MaskedExample]:
    fields = [texts_of(example) for example in batch]
    masked = iter(mask_texts([text for texts in fields for _, text in texts], rules=rules))
    for example, texts in zip(batch, fields, strict=True):
        results = {name: next(masked) for name, _ in texts}
        findings = tuple((name, finding) for name, result in results.items() for finding in result.findings)
        yield MaskedExample(example=_rebuilt(example, results) if findings else example, findings=findings)


def _rebuilt(example: Example, results: Mapping[str, Masked]) -> Example:
    columns = {name: results[f"columns[{name}]"].text.removeprefix(f"{name}: ") for name in example.origin.columns}
    origin = dataclasses.replace(example.origin, columns=columns)

    def turns(name: str, old: Sequence[Message]) -> tuple[Message, ...]:
        return tuple(_masked_turn(turn, f"{name}[{place}]", results) for place, turn in enumerate(old))

    def tools(old: Sequence[str]) -> tuple[str, ...]:
        return tuple(_valid_json(results[f"tools[{place}]"].text) for place in range(len(old)))

    match example:
        case Chat(messages=messages):
            return dataclasses.replace(
                example, messages=turns("messages", messages), origin=origin, tools=tools(example.tools)
            )
        case Label():
            second = results["second"].text if example.second else ""
            return dataclasses.replace(example, text=results["text"].text, second=second, origin=origin)
        case Text():
            return dataclasses.replace(example, text=results["text"].text, origin=origin)
        case Extraction():
            answers = tuple(_moved(start, end, results["context"]) for start, end in example.answers)
            return Extraction(results["question"].text, results["context"].text, answers, origin)
        case Tags():
            masked = results["text"]
            entities = tuple(Entity(*_moved(one.start, one.end, masked), label=one.label) for one in example.entities)
            return dataclasses.replace(example, text=results["text"].text, entities=entities, origin=origin)
        case Preference():
            return Preference(
                prompt=turns("prompt", example.prompt),
                chosen=turns("chosen", example.chosen),
                rejected=turns("rejected", example.rejected),
                origin=origin,
                tools=tools(example.tools),
            )
        case Rating():
            prompt, answer = turns("prompt", example.prompt), turns("answer", example.answer)
            return dataclasses.replace(example, prompt=prompt, answer=answer, origin=origin, tools=tools(example.tools))
        case Graded():
            golds = tuple(results[f"golds[{place}]"].text for place in range(len(example.golds)))
            return dataclasses.replace(example, prompt=turns("prompt", example.prompt), golds=golds, origin=origin)
        case Pair():
            negatives = tuple(results[f"negatives[{place}]"].text for place in range(len(example.negatives)))
            query, positive = results["query"].text, results["positive"].text
            return dataclasses.replace(example, query=query, positive=positive, negatives=negatives, origin=origin)


def _masked_turn(turn: Message, field: str, results: Mapping[str, Masked]) -> Message:
    calls = tuple(
        dataclasses.replace(call, arguments=_valid_json(results[f"{field}.tool_calls[{place}]"].text))
        for place, call in enumerate(turn.tool_calls)
    )
    return dataclasses.replace(turn, content=results[field].text, tool_calls=calls)


def _valid_json(text: str) -> str:
    """JSON whose masked numbers became strings."""
    return BARE_CODE.sub(r'\1"\2"', text)


def _moved(first: int, behind: int, masked: Masked) -> tuple[int, int]:
    """A stretch of a text in the masked text; one that touches a masked value covers the whole pseudonym."""
    start, end = first, behind
    shift_start = shift_end = 0
    for left, right, replacement in masked.edits:
        grown = len(replacement) - (right - left)
        if right <= first:
            shift_start += grown
        elif left < behind:
            start = min(start, left)
            end = max(end, right)
        if left < behind:
            shift_end += grown
    return start + shift_start, end + shift_end
