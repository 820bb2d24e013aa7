"""Messages to token ids, and which of them are learnt: the only module that words anything.

Training, evaluation and serving call it, so a prompt has the same ids everywhere. Text is cut where the model starts
and stops writing, so no token ever spans a prompt and an answer.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from luthier.artifacts.canonical import sha256_of, sha256_of_file
from luthier.errors import UserError
from luthier.models.spoken import Hidden, Rendering, Talk
from luthier.models.template import CLOSE, OPEN, PLAIN_TEMPLATE, template_tools, template_turn
from luthier.models.texts import (
    PairWindow,
    WordedPair,
    WordedWords,
    pair_ids,
    pair_windows,
    special_ids,
    word_ids,
)
from luthier.records import Message, Worded

LONGEST_ROW = 2048
"""Tokens of a row, unless the project says otherwise: longer ones cost memory, and few bases learnt from them."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of rendered text; `turn` is the index of the message if an assistant wrote it."""

    text: str
    turn: int | None


@dataclass(frozen=True, slots=True)
class Turn:
    """One trained turn: where it starts in the ids, and the assistant's text without the end of turn."""

    message: int
    start: int
    text: str


@dataclass(frozen=True, slots=True)
class WordedChat:
    """A conversation as ids."""

    ids: tuple[int, ...]
    trained: tuple[bool, ...]
    answer_bytes: int
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Wording:
    """A tokenizer, a template and the ids that end an answer."""

    tokenizer: Tokenizer
    template: str
    special: dict[str, str]
    """Names the template may use: bos_token, eos_token, pad_token, unk_token."""
    end_ids: tuple[int, ...]
    pad_id: int
    start_id: int | None
    """First token of a bare document, if the tokenizer has a fitting one."""
    control: tuple[str, ...]
    """Texts of special tokens; a message that holds one could forge a turn."""
    context: int
    template_hash: str

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool, tools: Sequence[str] = ()) -> str:
        """The conversation as the template writes it; UserError if the template refuses it."""
        return self._rendering.text(Talk(messages, tools), prompt=add_generation_prompt)

    def prompt_ids(self, messages: Sequence[Message], *, tools: Sequence[str] = ()) -> tuple[int, ...]:
        """Ids up to the place where the model writes its next turn."""
        ids, _ = self._encode(self._segments(Talk(messages, tools), prompt=True))
        return tuple(ids)

    def chat_ids(self, messages: Sequence[Message], *, tools: Sequence[str] = ()) -> WordedChat:
        """Ids of a whole conversation; learnt are assistant turns of weight 1 with their end of turn.

        UserError if the template rewrites one of them: see `unrolled`.
        """
        segments = self._segments(Talk(messages, tools), prompt=False)
        found = {part.turn for part in segments}
        if any(turn.role == "assistant" and turn.weight and place not in found for place, turn in enumerate(messages)):
            raise UserError(
                f"the chat template (SHA-256 {self.template_hash[:12]}) changes what the assistant wrote, or ends a "
                "call with a token at which generation does not stop (eos_token_id in generation_config.json), so it "
                "cannot be told which tokens to learn. Use a template that prints each message as it is."
            )
        last = max((index for index, part in enumerate(segments) if part.turn is not None), default=-1)
        ids, starts = self._encode(segments[: last + 1])
        trained = [False] * len(ids)
        turns = []
        for segment, (start, end) in zip(segments, starts, strict=False):
            if segment.turn is None or messages[segment.turn].weight == 0:
                continue
            trained[start:end] = [True] * (end - start)
            turns.append(Turn(message=segment.turn, start=start, text=segment.text))
        size = sum(len(turn.text.encode()) for turn in turns)
        return WordedChat(ids=tuple(ids), trained=tuple(trained), answer_bytes=size, turns=tuple(turns))

    def unrolled(self, messages: Sequence[Message], *, tools: Sequence[str] = ()) -> list[tuple[Message, ...]]:
        """The conversation, or one up to every learnt answer if the template rewrites earlier turns.

        In those only the last answer is learnt: what stands before it is what the server will show the model.
        """
        learnt = [place for place, turn in enumerate(messages) if turn.role == "assistant" and turn.weight]
        talk = Talk(messages, tools)
        if len(learnt) < 2 or self._rendering.keeps_turns(talk, learnt):
            return [tuple(messages)]
        context = [replace(turn, weight=0) if turn.role == "assistant" else turn for turn in messages]
        return [(*context[:place], messages[place]) for place in learnt]

    def hides(self, messages: Sequence[Message], tools: Sequence[str]) -> Hidden | None:
        """What the template does not write of a conversation with tools, if anything; UserError if it refuses it."""
        return self._rendering.hides(Talk(messages, tools))

    def text_ids(self, text: str) -> tuple[int, ...]:
        """Ids of one text with the tokenizer's own special tokens, as a classifier reads it."""
        return tuple(self.tokenizer.encode(text).ids)

    def word_ids(self, text: str) -> WordedWords:
        """`text_ids`, and which of them begin a word, as a tagger reads it."""
        return word_ids(self.tokenizer, text)

    def pair_ids(self, first: str, second: str) -> WordedPair:
        """Ids of two texts that are read as one, such as a question and the text that may answer it."""
        return pair_ids(self.tokenizer, first, second)

    def pair_windows(self, first: str, second: str, *, limit: int | None = None) -> list[PairWindow]:
        """`pair_ids`, or where that is too long the first text with overlapping stretches of the second; empty if the
        first leaves no room. `limit` None: as long as the base reads, and no longer than rows are learnt.
        """
        most = min(LONGEST_ROW, self.context) if limit is None else limit
        return pair_windows(self.tokenizer, first, second, limit=most)

    def fill_row(self, text: str, *, row_id: str, group: str, at: str) -> Worded:
        """`text_ids` as a row whose every token may be masked but the special ones, those for unknown words among
        them.
        """
        ids, special = self.text_ids(text), special_ids(self.tokenizer)
        maskable = tuple(token not in special for token in ids)
        return Worded(row_id, group, at, ids, maskable, answer_bytes=len(text.encode()))

    def document_ids(self, text: str) -> tuple[int, ...]:
        """Ids of raw text behind a start token, for likelihoods."""
        ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        return tuple(ids) if self.start_id is None else (self.start_id, *ids)

    def document_row(self, text: str, *, row_id: str, group: str, at: str) -> Worded:
        """Raw text as a row whose every token but the first is counted, for training and for likelihoods alike."""
        ids = self.document_ids(text)
        trained = (False, *(True for _ in ids[1:]))
        size = len(text.encode())
        return Worded(id=row_id, group=group, at=at, ids=ids, trained=trained, answer_bytes=size)

    def continued_row(self, text: str, more: str, *, row_id: str, group: str, at: str) -> Worded:
        """Raw text and what may come next, of which only the latter is counted, with its bytes.

        They are read as one; a token that holds letters of both counts. What the context cannot hold leaves in front.
        """
        encoding = self.tokenizer.encode(text + more, add_special_tokens=False)
        start = () if self.start_id is None else (self.start_id,)
        room = self.context - len(start)
        ids = (*start, *encoding.ids[-room:])
        counted = (*(False for _ in start), *(end > len(text) for _begin, end in encoding.offsets[-room:]))
        return Worded(row_id, group, at, ids, counted, answer_bytes=len(more.encode()))

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids; special tokens are left out."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    @property
    def _rendering(self) -> Rendering:
        ends = (self.tokenizer.id_to_token(end_id) for end_id in self.end_ids)
        return Rendering(self.template, self.special, tuple(end for end in ends if end))

    def _segments(self, talk: Talk, *, prompt: bool) -> list[Segment]:
        for text in _texts(talk):
            self._refuse_control(text)
        plain = self._rendering.text(talk, prompt=prompt)
        segments: list[Segment] = []
        done = 0
        for index, (start, end) in sorted(self._rendering.spoken(talk, plain, prompt=prompt).items()):
            segments += [Segment(plain[done:start], None), Segment(plain[start:end], index)]
            done = end
        return [*segments, Segment(plain[done:], None)]

    def _encode(self, segments: Sequence[Segment]) -> tuple[list[int], list[tuple[int, int]]]:
        """Ids of all segments, and each segment's [start, end). An assistant's segment takes its end of turn along."""
        ids: list[int] = []
        spans = []
        carried = 0
        for position, segment in enumerate(segments):
            start = len(ids)
            ids += self.tokenizer.encode(segment.text[carried:], add_special_tokens=False).ids
            carried = 0
            if segment.turn is not None:
                following = segments[position + 1].text if position + 1 < len(segments) else ""
                end_id, carried = self._end_of_turn(following)
                ids.append(end_id)
            spans.append((start, len(ids)))
        return ids, spans

    def _end_of_turn(self, following: str) -> tuple[int, int]:
        """The end token that the template writes after an answer, and its length in characters (0: it writes none)."""
        for end_id in self.end_ids:
            text = self.tokenizer.id_to_token(end_id)
            if text and following.startswith(text):
                return end_id, len(text)
        return self.end_ids[0], 0

    def _refuse_control(self, content: str) -> None:
        for text in (*self.control, OPEN, CLOSE):
            if text in content:
                raise UserError(f"a message contains the control text {text!r}, which could forge a turn. Remove it.")


def load_wording(folder: Path) -> Wording:
    """Read tokenizer, template and end tokens of a model folder; UserError says what is missing."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise UserError(f"{path}: missing. Save the model with a fast tokenizer.")
    tokenizer = _tokenizer(path)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    settings = _read_json(folder / "tokenizer_config.json")
    config = {**_read_json(folder / "config.json"), **_read_json(folder / "generation_config.json")}
    special = {name: _token_text(settings.get(name)) for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
    special = {name: text for name, text in special.items() if text}
    template = _template(folder, settings)
    end_ids = _end_ids(tokenizer, config, special)
    pad = tokenizer.token_to_id(special["pad_token"]) if "pad_token" in special else None
    pad_id = end_ids[0] if pad is None else pad
    bos = tokenizer.token_to_id(special["bos_token"]) if "bos_token" in special else None
    starts = tokenizer.encode("").ids
    start_id = starts[0] if starts else (pad_id if pad_id not in end_ids else bos)
    control = tuple(sorted(token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special))
    context = int(config.get("max_position_embeddings") or config.get("n_positions") or 2048)
    identity = {"template": template, "special": special, "ends": list(end_ids), "tokenizer": sha256_of_file(path)}
    return Wording(
        tokenizer=tokenizer,
        template=template,
        special=special,
        end_ids=end_ids,
        pad_id=pad_id,
        start_id=start_id,
        control=control,
        context=context,
        template_hash=sha256_of(identity),
    )


def save_wording(folder: Path, wording: Wording, *, base: Path) -> None:
    """Write what wording needs into a model folder, so that it words exactly as its base did in training."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        if (base / name).is_file():
            (folder / name).write_bytes((base / name).read_bytes())
    (folder / "chat_template.jinja").write_text(wording.template, encoding="utf-8")
    generation = {**_read_json(base / "generation_config.json"), "eos_token_id": list(wording.end_ids)}
    generation["pad_token_id"] = wording.pad_id
    (folder / "generation_config.json").write_text(
        json.dumps(generation, indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )


def _tokenizer(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # `tokenizers` raises nothing narrower
        raise UserError(f"{path}: not a readable tokenizer ({error}). Save the base with a fast tokenizer.") from None


def _template(folder: Path, settings: dict[str, Any]) -> str:
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    inline = settings.get("chat_template")
    if isinstance(inline, list):  # several by name
        inline = {item.get("name"): item.get("template") for item in inline}.get("default")
    return inline if isinstance(inline, str) else PLAIN_TEMPLATE


def _end_ids(tokenizer: Tokenizer, config: dict[str, Any], special: dict[str, str]) -> tuple[int, ...]:
    declared = config.get("eos_token_id")
    ids = [declared] if isinstance(declared, int) else list(declared or [])
    for name in ("eos_token", "pad_token"):
        if not ids and name in special:
            ids = [tokenizer.token_to_id(special[name])]
    # An encoder never ends a turn; its separator closes a text.
    return tuple(ids) if ids else (tokenizer.get_vocab_size() - 1,)


def _token_text(value: Any) -> str:
    return str(value.get("content", "")) if isinstance(value, dict) else str(value or "")


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON: {error}") from None
    return content if isinstance(content, dict) else {}


def _texts(talk: Talk) -> Iterator[str]:
    """Every text of a conversation as a template may write it."""
    for turn in talk.messages:
        yield from (turn.content, turn.name, turn.tool_call_id)
        if turn.tool_calls:
            yield json.dumps(template_turn(turn), ensure_ascii=False)
    if talk.tools:
        yield json.dumps(template_tools(talk.tools), ensure_ascii=False)
