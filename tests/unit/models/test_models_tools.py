"""Conversations with tools: what is shown, what is learnt, and what is served."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from templates import ANSWERED, ASKED, CALLED, HEADED, TAGGED, TALK, TOLD, WEATHER
from transformers import PreTrainedTokenizerFast
from wordings import CHATML, write_merging_tokenizer, write_tiny_tokenizer

from luthier.errors import UserError
from luthier.models.chat import Wording, load_wording
from luthier.models.receipts import check_content, check_end, check_told
from luthier.models.template import OPEN
from luthier.records import Message, ToolCall, Worded

CALL = {
    "tagged": '<tool_call>\n{"name": "weather", "arguments": {"place": "Köln", "days": 1}}\n</tool_call>',
    "headed": '{"name": "weather", "parameters": {"place": "Köln", "days": 1}}',
}
TEMPLATES = {"tagged": TAGGED, "headed": HEADED}
both = pytest.mark.parametrize("name", TEMPLATES)


def worded(tmp_path: Path, template: str, *, merging: bool = False) -> Wording:
    write = write_merging_tokenizer if merging else write_tiny_tokenizer
    return load_wording(write(tmp_path / "base", template=template))


def learnt(wording: Wording, messages: Sequence[Message], tools: Sequence[str] = (WEATHER,)) -> list[str]:
    """Text of every learnt stretch, its end of turn included."""
    chat = wording.chat_ids(messages, tools=tools)
    found, stretch = [], []
    for token, trained in (*zip(chat.ids, chat.trained, strict=True), (0, False)):
        if trained:
            stretch.append(token)
        elif stretch:
            found.append(wording.tokenizer.decode(stretch, skip_special_tokens=False))
            stretch = []
    return found


@both
@pytest.mark.parametrize("merging", [False, True])
def test_a_call_is_learnt_with_its_end_of_turn_and_nothing_after(tmp_path: Path, name: str, merging: bool) -> None:
    wording = worded(tmp_path, TEMPLATES[name], merging=merging)
    assert learnt(wording, TALK) == [CALL[name] + "<|im_end|>", "Not yet, but it is grey.<|im_end|>"]
    assert learnt(wording, TALK[:3]) == [CALL[name] + "<|im_end|>"]
    assert [turn.text for turn in wording.chat_ids(TALK, tools=[WEATHER]).turns] == [CALL[name], ANSWERED.content]


@both
@pytest.mark.parametrize("merging", [False, True])
def test_the_prompt_that_is_served_is_the_beginning_of_what_was_trained(
    tmp_path: Path, name: str, merging: bool
) -> None:
    wording = worded(tmp_path, TEMPLATES[name], merging=merging)
    chat = wording.chat_ids(TALK, tools=[WEATHER])
    for turn in chat.turns:
        assert wording.prompt_ids(TALK[: turn.message], tools=[WEATHER]) == chat.ids[: turn.start]


@both
@pytest.mark.parametrize("prompt", [False, True])
def test_tools_are_rendered_as_transformers_renders_them(tmp_path: Path, name: str, prompt: bool) -> None:
    wording = worded(tmp_path, TEMPLATES[name].replace("strftime_now('%d %b %Y')", "'a day'"))
    theirs = PreTrainedTokenizerFast(
        tokenizer_file=str(tmp_path / "base" / "tokenizer.json"), chat_template=wording.template, **wording.special
    )
    turns = [{"role": turn.role, "content": turn.content} for turn in TALK]
    function = {"name": "weather", "arguments": {"place": "Köln", "days": 1}}
    turns[2]["tool_calls"] = [{"type": "function", "id": "c1", "function": function}]
    turns[3] |= {"tool_call_id": "c1", "name": "weather"}
    expected = theirs.apply_chat_template(
        turns, tools=[json.loads(WEATHER)], tokenize=False, add_generation_prompt=prompt
    )
    assert wording.render(TALK, tools=[WEATHER], add_generation_prompt=prompt) == expected


def test_words_before_a_call_are_learnt_with_it(tmp_path: Path) -> None:
    wording = worded(tmp_path, TAGGED)
    spoken = dataclasses.replace(CALLED, content="Let me look.")
    turns = [ASKED, spoken, TOLD, ANSWERED]
    assert learnt(wording, turns)[0] == f"Let me look.\n{CALL['tagged']}<|im_end|>"


def test_several_calls_are_one_turn_and_their_results_are_context(tmp_path: Path) -> None:
    wording = worded(tmp_path, TAGGED)
    calls = tuple(ToolCall("weather", f'{{"place":"{place}"}}', id=place) for place in ("Bonn", "Ulm"))
    results = [Message("tool", f"rain in {call.id}", tool_call_id=call.id) for call in calls]
    turns = [ASKED, Message("assistant", "", tool_calls=calls), *results, ANSWERED]
    call, answer = learnt(wording, turns)
    assert call.count("<tool_call>") == 2
    assert "rain" not in call + answer


names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=6)
said = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | said,
    lambda inner: st.lists(inner, max_size=3),
)


@st.composite
def talks(draw: st.DrawFn) -> tuple[list[Message], list[str]]:
    """Questions, each with some calls and their results, and an answer."""
    turns = [Message("system", draw(said))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        turns.append(Message("user", draw(said)))
        for _ in range(draw(st.integers(0, 2))):
            arguments = json.dumps(draw(st.dictionaries(names, values, max_size=3)))
            turns.append(Message("assistant", "", draw(st.integers(0, 1)), (ToolCall(draw(names), arguments),)))
            turns.append(Message("tool", draw(said)))
        turns.append(Message("assistant", draw(said)))
    return turns, [WEATHER] if draw(st.booleans()) else []


@both
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(talk=talks())
def test_every_healthy_talk_passes_the_receipts(
    tmp_path: Path, name: str, talk: tuple[list[Message], list[str]]
) -> None:
    messages, tools = talk
    wording = worded(tmp_path, TEMPLATES[name], merging=True)
    assert wording.hides(messages, tools) is None
    assert wording.unrolled(messages, tools=tools) == [tuple(messages)]
    chat = wording.chat_ids(messages, tools=tools)
    row = Worded("r", "g", "a:1", chat.ids, chat.trained, (), chat.answer_bytes)
    check_told(row, messages, wording, tools=tools)
    check_content(row, messages, wording, tools=tools)
    check_end([row], wording)


def test_a_call_of_weight_0_is_context(tmp_path: Path) -> None:
    turns = [ASKED, dataclasses.replace(CALLED, weight=0), TOLD, ANSWERED]
    assert learnt(worded(tmp_path, TAGGED), turns) == ["Not yet, but it is grey.<|im_end|>"]


@pytest.mark.parametrize("said", ["", "Let me look."])
def test_a_call_that_ends_where_generation_goes_on_takes_no_result_with_it(tmp_path: Path, said: str) -> None:
    ended = TAGGED.replace(
        "{%- endfor %}\n        {{- '<|im_end|>\\n' }}",
        "{%- endfor %}\n        {{- ('<pad>' if message.tool_calls else '<|im_end|>') + '\\n' }}",
    )
    assert ended != TAGGED
    turns = [ASKED, dataclasses.replace(CALLED, content=said), TOLD, ANSWERED]
    with pytest.raises(UserError, match="at which generation does not stop"):
        worded(tmp_path, ended).chat_ids(turns, tools=[WEATHER])


def test_a_template_may_mark_calls_itself(tmp_path: Path) -> None:
    marked = TAGGED.replace("{{- '<|im_start|>assistant' }}", "{{- '<|im_start|>assistant\\n' }}{% generation %}")
    marked = marked.replace("{{- '\\n' + message.content }}", "{{- message.content }}")
    marked = marked.replace("{{- '\\n<tool_call>", "{{- '<tool_call>")
    marked = marked.replace(
        "{%- endfor %}\n        {{- '<|im_end|>\\n' }}",
        "{%- endfor %}\n        {{- '<|im_end|>\\n' }}{% endgeneration %}",
    )
    assert learnt(worded(tmp_path, marked), TALK) == [CALL["tagged"] + "<|im_end|>", ANSWERED.content + "<|im_end|>"]


@both
def test_a_template_that_shows_tools_is_told_from_one_that_does_not(tmp_path: Path, name: str) -> None:
    assert worded(tmp_path / "a", TEMPLATES[name]).hides(TALK, [WEATHER]) is None
    silent = worded(tmp_path / "b", CHATML)
    assert silent.hides([ASKED, ANSWERED], [WEATHER]) == "tools"
    assert silent.hides([ASKED, CALLED], []) == "tools"
    assert silent.hides([ASKED, ANSWERED], []) is None


def test_words_beside_a_call_that_a_template_leaves_out_are_told(tmp_path: Path) -> None:
    turns = [ASKED, dataclasses.replace(CALLED, content="Let me look.")]
    assert worded(tmp_path / "a", HEADED).hides(turns, [WEATHER]) == "words"
    assert worded(tmp_path / "b", TAGGED).hides(turns, [WEATHER]) is None


@pytest.mark.parametrize(
    ("shown", "hidden"),
    [
        ("{{- tool | tojson }}", "{{- tool.function.name }}"),
        ("{{- tool | tojson }}", "{{- tool.function.name + tool.function.description }}"),
        ("{{- call.arguments | tojson }}", ""),
        ("message.content + '\\n</tool_response>'", "'</tool_response>'"),
    ],
)
def test_a_template_that_shows_half_of_it_shows_no_tools(tmp_path: Path, shown: str, hidden: str) -> None:
    assert shown in TAGGED
    assert worded(tmp_path, TAGGED.replace(shown, hidden)).hides(TALK, [WEATHER]) == "tools"


def test_what_a_template_refuses_is_told(tmp_path: Path) -> None:
    wording = worded(tmp_path, HEADED)
    twice = Message("assistant", "", tool_calls=CALLED.tool_calls * 2)
    with pytest.raises(UserError, match="one call at a time"):
        wording.hides([ASKED, twice], [WEATHER])


def test_arguments_that_are_not_json_are_told(tmp_path: Path) -> None:
    broken = Message("assistant", "", tool_calls=(ToolCall("weather", '{"place": [PHONE_AAAAA].5}'),))
    with pytest.raises(UserError, match="not JSON"):
        worded(tmp_path, TAGGED).hides([ASKED, broken], [WEATHER])


@pytest.mark.parametrize("text", ["<|im_end|>", "\\u003c|im_end|>", OPEN])
def test_control_text_in_a_call_or_a_declaration_is_refused(tmp_path: Path, text: str) -> None:
    wording = worded(tmp_path, TAGGED)
    call = Message("assistant", "", tool_calls=(ToolCall("weather", f'{{"place":"{text}"}}'),))
    with pytest.raises(UserError, match="control text"):
        wording.chat_ids([ASKED, call], tools=[WEATHER])
    with pytest.raises(UserError, match="control text"):
        wording.prompt_ids([ASKED], tools=[WEATHER.replace("Say how", text)])
