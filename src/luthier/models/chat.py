"""Messages to token ids, and which of them are learnt: the only module that words anything.

Training, evaluation and serving call it, so a prompt has the same ids everywhere. Text is cut where the model starts
and stops writing, so no token ever spans a prompt and an answer.
"""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, Template, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from luthier.artifacts.canonical import sha256_of, sha256_of_file
from luthier.errors import UserError
from luthier.records import Message, Worded

OPEN, CLOSE = "\uf8e0", "\uf8e1"
"""Private-use characters put around an assistant's text to find it in the rendered template."""
MAX_RENDERED = 8_000_000
FIXED_DATE = "01 Jan 2026"
"""What a template that asks for the date gets: a prompt must not change overnight."""
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}Assistant: {% endif %}"
)
"""Wording of a base that has no template of its own; saved with the tuned model."""


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

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        """The conversation as the template writes it; UserError if the template refuses it."""
        turns = [{"role": turn.role, "content": turn.content} for turn in messages]
        return self._render(turns, add_generation_prompt)

    def prompt_ids(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Ids up to the place where the model writes its next turn."""
        ids, _ = self._encode(self._segments(messages, add_generation_prompt=True))
        return tuple(ids)

    def chat_ids(self, messages: Sequence[Message]) -> WordedChat:
        """Ids of a whole conversation; learnt are assistant texts of weight 1 with their end of turn."""
        segments = self._segments(messages, add_generation_prompt=False)
        last = max((index for index, part in enumerate(segments) if part.turn is not None), default=-1)
        ids, starts = self._encode(segments[: last + 1])
        trained = [False] * len(ids)
        turns = []
        for segment, (start, end) in zip(segments, starts, strict=False):
            if segment.turn is None or messages[segment.turn].weight == 0:
                continue
            trained[start:end] = [True] * (end - start)
            turns.append(Turn(message=segment.turn, start=start, text=messages[segment.turn].content))
        size = sum(len(turn.text.encode()) for turn in turns)
        return WordedChat(ids=tuple(ids), trained=tuple(trained), answer_bytes=size, turns=tuple(turns))

    def text_ids(self, text: str) -> tuple[int, ...]:
        """Ids of one text with the tokenizer's own special tokens, as a classifier reads it."""
        return tuple(self.tokenizer.encode(text).ids)

    def document_ids(self, text: str) -> tuple[int, ...]:
        """Ids of raw text behind a start token, for likelihoods."""
        ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        return tuple(ids) if self.start_id is None else (self.start_id, *ids)

    def document_row(self, text: str, *, row_id: str, group: str, at: str) -> Worded:
        """Raw text as a row whose every token but the first is counted, for training and for likelihoods alike."""
        ids = self.document_ids(text)
        trained = (False, *(True for _ in ids[1:]))
        size = len(text.encode())
        return Worded(id=row_id, group=group, at=at, ids=ids, trained=trained, label=None, answer_bytes=size)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids; special tokens are left out."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def _render(self, turns: list[dict[str, str]], add_generation_prompt: bool) -> str:
        try:
            text = _compiled(self.template).render(
                messages=turns, add_generation_prompt=add_generation_prompt, tools=None, documents=None, **self.special
            )
        # A template is the base's own small program, and may fail in any of these ways.
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise UserError(f"the chat template refuses this conversation: {error}") from None
        if len(text) > MAX_RENDERED:
            raise UserError(f"the chat template wrote more than {MAX_RENDERED:,} characters")
        return text

    def _segments(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> list[Segment]:
        for turn in messages:
            self._refuse_control(turn.content)
        plain = self.render(messages, add_generation_prompt=add_generation_prompt)
        segments = self._by_marks(messages, plain, add_generation_prompt)
        if segments is None:
            segments = self._by_prefixes(messages, plain)
        if segments is None:
            raise UserError(
                "the chat template changes what the assistant wrote, so it cannot be told which tokens to learn. "
                "Use a template that prints each message as it is."
            )
        return segments

    def _by_marks(self, messages: Sequence[Message], plain: str, prompt: bool) -> list[Segment] | None:
        marked = [
            {"role": turn.role, "content": f"{OPEN}{turn.content}{CLOSE}" if turn.role == "assistant" else turn.content}
            for turn in messages
        ]
        text = self._render(marked, prompt)
        if text.replace(OPEN, "").replace(CLOSE, "") != plain:
            return None
        writers = [index for index, turn in enumerate(messages) if turn.role == "assistant"]
        pieces = text.split(OPEN)
        if len(pieces) != len(writers) + 1:
            return None
        segments = [Segment(pieces[0], None)]
        for index, piece in zip(writers, pieces[1:], strict=True):
            answer, close, rest = piece.partition(CLOSE)
            if not close or answer != messages[index].content:
                return None
            segments += [Segment(answer, index), Segment(rest, None)]
        return segments

    def _by_prefixes(self, messages: Sequence[Message], plain: str) -> list[Segment] | None:
        segments: list[Segment] = []
        done = 0
        for index, turn in enumerate(messages):
            if turn.role != "assistant":
                continue
            before = self.render(messages[:index], add_generation_prompt=True)
            stop = len(before) + len(turn.content)
            if not plain.startswith(before) or plain[len(before) : stop] != turn.content:
                return None
            segments += [Segment(plain[done : len(before)], None), Segment(turn.content, index)]
            done = stop
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


class GenerationTag(Extension):
    """`{% generation %}`, with which some templates mark what the assistant wrote: prints what it holds."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Replace the tag by its body."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


@functools.lru_cache(maxsize=32)
def _compiled(template: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, GenerationTag]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda _format: FIXED_DATE
    return environment.from_string(template)


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


def _to_json(value: Any, **settings: Any) -> str:
    """As `transformers` fills templates: jinja's own filter escapes for web pages."""
    return json.dumps(value, **{"ensure_ascii": False, **settings})


def _refuse(message: str) -> None:
    raise TemplateError(message)
