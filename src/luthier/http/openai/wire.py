"""OpenAI's words for chat, and their translation to records."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from luthier.http.errors import BadParameterError
from luthier.records import Message, Role
from luthier.serve.host import Wish
from luthier.serve.pieces import Finish

HINTS = frozenset(
    {
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
        "verbosity",
    }
)
"""Accepted without effect and named in `x-luthier-ignored`; whatever would change the answer is refused instead."""
WITHOUT_EFFECT: dict[str, Any] = {
    "response_format": {"type": "text"},
    "modalities": ["text"],
    "tool_choice": "none",
    "function_call": "none",
}
"""Values of refused parameters that ask for nothing."""


class TextPart(BaseModel):
    """A part of a message; only text is read."""

    type: Literal["text"]
    text: str


class WireMessage(BaseModel):
    """One turn as a client sends it; names and refusals are not read."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]


class StreamOptions(BaseModel):
    """What a stream shall hold besides the text."""

    include_usage: bool = False
    include_obfuscation: bool = False


class ChatRequest(BaseModel):
    """Body of `POST /v1/chat/completions`."""

    model_config = ConfigDict(extra="allow")

    model: str
    messages: Annotated[list[WireMessage], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    n: Literal[1] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    def records(self) -> list[Message]:
        """The conversation as records; a developer is a system."""
        return [Message(_role(turn.role), _text(turn.content)) for turn in self.messages]

    def wish(self) -> Wish:
        """How the answer shall be written, with OpenAI's defaults."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return Wish(
            max_tokens=self.max_completion_tokens or self.max_tokens,
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            seed=None if self.seed is None else self.seed % 2**63,
            stop=tuple(text for text in stop if text),
        )

    def ignored(self) -> list[str]:
        """Names of hints that have no effect; BadParameterError for a parameter that would change the answer."""
        hints = []
        for name, value in (self.model_extra or {}).items():
            if name in HINTS:
                hints.append(name)
            elif value and value != WITHOUT_EFFECT.get(name):
                raise BadParameterError(f"'{name}' is not supported here. Leave it out.", param=name)
        return sorted(hints)


def usage(*, prompt: int, completion: int) -> dict[str, Any]:
    """Token counts of one answer."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def full_choice(text: str, finish: Finish) -> dict[str, Any]:
    """The one choice of an answer that is not streamed."""
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    return {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}


def delta_choice(delta: dict[str, Any], finish: Finish | None = None) -> dict[str, Any]:
    """The one choice of a streamed chunk."""
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def _role(name: str) -> Role:
    match name:
        case "user":
            return "user"
        case "assistant":
            return "assistant"
        case _:
            return "system"


def _text(content: str | Sequence[TextPart]) -> str:
    return content if isinstance(content, str) else "".join(part.text for part in content)
