"""Better and worse answers: pairs in three dialects, and single answers judged good or bad."""

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from luthier.collect.formats.check import BadRowError, checked_text, plain_text, structured
from luthier.collect.formats.messages import CONTEXT, turns_or_text
from luthier.collect.formats.shape import Cells, RowFormat
from luthier.collect.formats.tools import checked_tools
from luthier.collect.formats.turns import check_conversation, is_conversation, read_turns, with_system
from luthier.records import Message, Origin, Preference, Rating, Role

SPEAKER = re.compile(r"(?:^|\n\n)(Human|Assistant): ?")
"""How conversations are written as one text, as in the data set HH-RLHF."""
VERDICTS = {"true": True, "false": False, "1": True, "0": False}


def _preference(cells: Cells, origin: Origin) -> Preference:
    prompt, tools = _prompt(cells)
    chosen, rejected = _answer(cells, "chosen"), _answer(cells, "rejected")
    if chosen[0].role != "assistant" or rejected[0].role != "assistant":
        shared = _shared_prompt(chosen, rejected, cells)
        _check_repeated(prompt, shared, cells)
        prompt, chosen, rejected = shared, chosen[len(shared) :], rejected[len(shared) :]
    elif not prompt:
        raise BadRowError(f"{cells.name('prompt')} is empty")
    prompt = with_system(prompt, cells.value("system"), cells.name("system"))
    for role, answer in (("chosen", chosen), ("rejected", rejected)):
        check_conversation((*prompt, *answer), f"({cells.name('prompt')} + {cells.name(role)})", tools=tools)
    if [(turn.content, turn.tool_calls) for turn in chosen] == [(turn.content, turn.tool_calls) for turn in rejected]:
        raise BadRowError(f"{cells.name('chosen')} and {cells.name('rejected')} are the same")
    return Preference(prompt=prompt, chosen=chosen, rejected=rejected, origin=origin, tools=tools)


def _prompt(cells: Cells) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """Turns and tools of the prompt; OpenAI's `input` holds both."""
    name, value = cells.name("prompt"), structured(cells.value("prompt"))
    tools = checked_tools(cells.value("tools"), cells.name("tools"))
    if isinstance(value, Mapping) and "messages" in value:
        tools = tools or checked_tools(value.get("tools"), f"{name}.tools")
        return read_turns(value["messages"], f"{name}.messages"), tools
    if value is None or value in ("", []):
        return (), tools
    return turns_or_text(value, name, role="user"), tools


def _answer(cells: Cells, role: str) -> tuple[Message, ...]:
    value, name = cells.value(role), cells.name(role)
    if isinstance(value, str) and "prompt" not in cells.columns and (told := _told(value, name)):
        return told
    return turns_or_text(value, name, role="assistant")


def _told(text: str, name: str) -> tuple[Message, ...]:
    """The turns of a conversation that is written as one text; none if it is not."""
    before, *parts = SPEAKER.split(text)
    if before.strip():
        return ()
    roles: dict[str, Role] = {"Human": "user", "Assistant": "assistant"}
    spoken = enumerate(zip(parts[::2], parts[1::2], strict=True))
    return tuple(
        Message(roles[speaker], checked_text(content, f"{name}[{place}]")) for place, (speaker, content) in spoken
    )


def _shared_prompt(chosen: Sequence[Message], rejected: Sequence[Message], cells: Cells) -> tuple[Message, ...]:
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(chosen, rejected, strict=False))))
    ends = [place for place in range(same + 1) if _answers_at(chosen, place) and _answers_at(rejected, place)]
    if not ends or ends[-1] == 0:
        names = f"{cells.name('chosen')} and {cells.name('rejected')}"
        raise BadRowError(f"{names} do not begin with the same prompt" if same == 0 else f"{names} are the same")
    return tuple(chosen[: ends[-1]])


def _answers_at(messages: Sequence[Message], place: int) -> bool:
    return place < len(messages) and messages[place].role == "assistant"


def _check_repeated(prompt: Sequence[Message], shared: Sequence[Message], cells: Cells) -> None:
    asked = [turn.content.strip() for turn in prompt if turn.role == "user"]
    if asked and asked[-1] not in {turn.content.strip() for turn in shared}:
        raise BadRowError(f"{cells.name('prompt')} is not the prompt that {cells.name('chosen')} begins with")


def _rating(cells: Cells, origin: Origin) -> Rating:
    good = _verdict(cells.value("good"))
    if good is None:
        shown = plain_text(cells.value("good"))
        raise BadRowError(f"{cells.name('good')} is {shown!r}; expected true or false")
    prompt, tools = _prompt(cells)
    if not prompt:
        raise BadRowError(f"{cells.name('prompt')} is empty")
    if "completion" in cells.columns:
        answer = turns_or_text(cells.value("completion"), cells.name("completion"), role="assistant")
    else:
        prompt, answer = prompt[:-1], prompt[-1:]
    prompt = with_system(prompt, cells.value("system"), cells.name("system"))
    check_conversation((*prompt, *answer), "(prompt + answer)", tools=tools)
    return Rating(prompt=prompt, answer=answer, good=good, origin=origin, tools=tools)


def _verdict(value: Any) -> bool | None:
    return value if isinstance(value, bool) else VERDICTS.get(plain_text(value).strip().lower())


def _looks_rated(cells: Cells) -> bool:
    value = cells.value("good")
    if "completion" in cells.columns:
        return value in (None, "") or _verdict(value) is not None
    # Beside a whole conversation, 0 and 1 may number anything.
    says_so = isinstance(value, bool) or plain_text(value).strip().lower() in {"true", "false"}
    return says_so and is_conversation(cells.value("prompt"))


PREFERENCE = RowFormat(
    name="preference",
    required={
        "chosen": ("chosen", "preferred_output", "chosen_response"),
        "rejected": ("rejected", "non_preferred_output", "rejected_response"),
    },
    optional={
        "prompt": ("prompt", "input", "question", "instruction", "query", "conversations", "messages"),
        **CONTEXT,
    },
    make=_preference,
)
RATING = RowFormat(
    name="rating",
    required={"prompt": ("prompt", "messages", "conversations"), "good": ("label", "kto_tag")},
    optional={"completion": ("completion", "response"), **CONTEXT},
    make=_rating,
    looks=_looks_rated,
)
