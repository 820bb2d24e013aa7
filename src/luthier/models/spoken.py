"""Where in a rendered conversation the assistant's words stand, and whether tools are shown at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from luthier.models.template import CLOSE, OPEN, has_generation_marks, render, template_tools, template_turn
from luthier.records import Message

Hidden = Literal["tools", "words"]
Spans = dict[int, tuple[int, int]]
"""Index of an assistant's message -> characters [start, end) of the rendered text, without the end of turn."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation, and declarations of the tools that can be called in it."""

    messages: Sequence[Message]
    tools: Sequence[str]

    def before(self, index: int) -> "Talk":
        """What was said before a message."""
        return Talk(self.messages[:index], self.tools)

    @property
    def writers(self) -> list[int]:
        """Indices of the assistant's messages."""
        return [index for index, turn in enumerate(self.messages) if turn.role == "assistant"]


@dataclass(frozen=True, slots=True)
class Rendering:
    """A template, and the texts of special tokens that it may use and that end a turn."""

    template: str
    special: Mapping[str, str]
    ends: tuple[str, ...]

    def text(self, talk: Talk, *, prompt: bool) -> str:
        """The conversation as the template writes it; UserError if it refuses."""
        return self._render(_turns(talk), template_tools(talk.tools), prompt)

    def spoken(self, talk: Talk, plain: str, *, prompt: bool) -> Spans:
        """Where every assistant's turn stands in the `plain` rendering; a turn that the template rewrites is missing.

        Three ways, the first that counts: the template's own marks, private-use marks around the contents, and what a
        turn adds to the prompt before it. A way counts only if its text without marks is the plain rendering.
        """
        if not talk.writers:
            return {}
        return (
            self._by_generation(talk, plain, prompt)
            or self._by_marks(talk, plain, prompt)
            or self._by_prefixes(talk, plain)
        )

    def keeps_turns(self, talk: Talk, wanted: Sequence[int]) -> bool:
        """True if every wanted turn stands where the prompt before it ends, however the conversation went on."""
        plain = self.text(talk, prompt=False)
        found = self.spoken(talk, plain, prompt=False)
        return all(index in found and plain.startswith(self.text(talk.before(index), prompt=True)) for index in wanted)

    def hides(self, talk: Talk) -> Hidden | None:
        """What the template does not write of `tools` (names and parameters of all tools and calls, and all results),
        or else of the `words` beside a call.

        Told by marks on each of them, because a name may stand in what people say as well.
        """
        marks = _Marks()
        tools, turns = template_tools(talk.tools), _turns(talk)
        for tool in tools or ():
            marks.put_on_declaration(tool["function"])
        for turn in turns:
            marks.put_on_turn(turn)
        text = self._render(turns, tools, False)
        hidden = {kind for mark, kind in marks.placed.items() if mark not in text}
        return "tools" if "tools" in hidden else "words" if hidden else None

    def _render(
        self, turns: list[dict[str, Any]], tools: list[dict[str, Any]] | None, prompt: bool, *, marked: bool = False
    ) -> str:
        known = {"messages": turns, "tools": tools, "documents": None, "add_generation_prompt": prompt}
        return render(self.template, {**self.special, **known}, marked=marked)

    def _by_generation(self, talk: Talk, plain: str, prompt: bool) -> Spans:
        if not has_generation_marks(self.template):
            return {}
        text = self._render(_turns(talk), template_tools(talk.tools), prompt, marked=True)
        spans = _marked_spans(text, plain, talk.writers)
        for index, (start, end) in spans.items():
            ended = self._next_end(plain, start)
            # What a mark holds behind the end of turn is nobody's words.
            spans[index] = start, ended if 0 <= ended < end else end
        return _all_or_none(spans, plain, talk)

    def _by_marks(self, talk: Talk, plain: str, prompt: bool) -> Spans:
        turns = _turns(talk)
        for index in talk.writers:
            if not turns[index]["content"] and "tool_calls" in turns[index]:
                return {}  # there is nothing to put marks around
            turns[index]["content"] = f"{OPEN}{turns[index]['content']}{CLOSE}"
        spans = _marked_spans(self._render(turns, template_tools(talk.tools), prompt), plain, talk.writers)
        for index, (start, end) in spans.items():
            if talk.messages[index].tool_calls:
                spans[index] = start, self._call_end(talk, index, plain, end)
        return _all_or_none(spans, plain, talk)

    def _by_prefixes(self, talk: Talk, plain: str) -> Spans:
        spans: Spans = {}
        for index in talk.writers:
            turn = talk.messages[index]
            before = self.text(talk.before(index), prompt=True)
            start = len(before)
            end = self._call_end(talk, index, plain, start) if turn.tool_calls else start + len(turn.content)
            if plain.startswith(before) and _says(plain, (start, end), turn):
                spans[index] = start, end
        return spans

    def _call_end(self, talk: Talk, index: int, plain: str, start: int) -> int:
        """Where a turn with calls ends its turn, which it must do before anybody else speaks; -1 if it does not."""
        whole = self.text(talk.before(index + 1), prompt=False)
        end = self._next_end(whole, start)
        return end if plain.startswith(whole[: max(end, 0)]) else -1

    def _next_end(self, text: str, start: int) -> int:
        """Where the next end of turn begins; -1 if there is none."""
        return min((place for end in self.ends if (place := text.find(end, start)) >= 0), default=-1)


@dataclass(slots=True)
class _Marks:
    """Marks of their own for many texts."""

    placed: dict[str, Hidden] = field(default_factory=dict)
    """Mark -> what it stands on."""

    def put_on_declaration(self, function: dict[str, Any]) -> None:
        """Mark what a tool is called, what it does, and what it takes."""
        parameters = function.get("parameters") or {}
        if "properties" in parameters:
            parameters["properties"] = {self._on(name): value for name, value in parameters["properties"].items()}
        for key in ("name", "description"):
            if function.get(key):
                function[key] = self._on(function[key])

    def put_on_turn(self, turn: dict[str, Any]) -> None:
        """Mark calls, words beside them, and results of tools."""
        if turn["role"] == "assistant" and turn["content"] and "tool_calls" in turn:
            turn["content"] = self._on(turn["content"], kind="words")
        if turn["role"] == "tool":
            turn["content"] = self._on(turn["content"])
        for call in turn.get("tool_calls", ()):
            function = call["function"]
            function["name"] = self._on(function["name"])
            function["arguments"] = {self._on(name): value for name, value in function["arguments"].items()}

    def _on(self, text: str, *, kind: Hidden = "tools") -> str:
        mark = f"{OPEN}{len(self.placed)}{CLOSE}"
        self.placed[mark] = kind
        return text + mark


def _turns(talk: Talk) -> list[dict[str, Any]]:
    return [template_turn(turn) for turn in talk.messages]


def _marked_spans(text: str, plain: str, writers: Sequence[int]) -> Spans:
    """What stands between marks; nothing unless it is one stretch for each writer, and all text is the plain one."""
    spans: list[tuple[int, int]] = []
    before, *stretches = text.split(OPEN)
    size = len(before)
    for stretch in stretches:
        said, closed, rest = stretch.partition(CLOSE)
        if not closed:
            return {}
        spans.append((size, size + len(said)))
        size += len(said) + len(rest)
    if len(spans) != len(writers) or text.replace(OPEN, "").replace(CLOSE, "") != plain:
        return {}
    return dict(zip(writers, spans, strict=True))


def _all_or_none(spans: Spans, plain: str, talk: Talk) -> Spans:
    return spans if all(_says(plain, span, talk.messages[index]) for index, span in spans.items()) else {}


def _says(plain: str, span: tuple[int, int], turn: Message) -> bool:
    """True if a stretch is what a message says: its content, or its content and its calls."""
    start, end = span
    said = plain[start:end]
    if turn.tool_calls:
        return start < end and turn.content in said and all(call.name in said for call in turn.tool_calls)
    return said == turn.content
