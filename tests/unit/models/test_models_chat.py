"""Wording against `transformers`, and against itself over random conversations."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from templates import REASONING
from transformers import PreTrainedTokenizerFast
from wordings import (
    BRACKETS,
    DATED,
    FAITHFUL,
    FORGETFUL,
    GENERATION,
    QUOTING,
    TRIMMING,
    UNMARKED,
    write_merging_tokenizer,
    write_tiny_tokenizer,
)
from wordings import rewrite as rewrite_json

from luthier.errors import UserError
from luthier.models import template as templates
from luthier.models.chat import Wording, load_wording, save_wording
from luthier.models.template import CLOSE, FIXED_DATE, OPEN
from luthier.records import Message

quick = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
contents = st.text(st.characters(exclude_categories=["Cs", "Co"]), max_size=12) | st.sampled_from(
    ["yes", "no", " yes", "a\n\nb", "the theory", "[/INST]", "im_end|>"]
)


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    """A system turn or none, then questions and answers; some answers are context only."""
    turns = [Message("system", draw(contents))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        turns.append(Message("user", draw(contents)))
        turns.append(Message("assistant", draw(contents), weight=draw(st.integers(0, 1))))
    return turns


@pytest.fixture(params=[*FAITHFUL, "plain"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with a tokenizer that merges, and a template that prints messages as they are."""
    folder = write_merging_tokenizer(tmp_path / "base", template=FAITHFUL.get(request.param, ""))
    if request.param == "plain":
        (folder / "chat_template.jinja").unlink()
    return folder


def oracle(folder: Path, template: str) -> PreTrainedTokenizerFast:
    special = json.loads((folder / "tokenizer_config.json").read_text())
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        chat_template=template,
        **{name: special[name] for name in ("bos_token", "eos_token", "pad_token")},
    )


def plain_turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.content} for turn in messages]


def pieces_of(tokenizer: PreTrainedTokenizerFast, messages: Sequence[Message]) -> list[str]:
    """What `transformers` renders, cut where each answer starts and stops, up to the last end of turn."""
    whole = tokenizer.apply_chat_template(plain_turns(messages), tokenize=False)
    pieces, done = [], 0
    for index, turn in enumerate(messages):
        if turn.role == "assistant":
            before = tokenizer.apply_chat_template(
                plain_turns(messages[:index]), tokenize=False, add_generation_prompt=True
            )
            if whole[: len(before) + 1] == f"{before} ":  # brackets write the space with the answer
                before += " " if whole[len(before) + 1 :].startswith(turn.content + "<|im_end|>") else ""
            stop = len(before) + len(turn.content)
            assert whole[len(before) : stop] == turn.content
            pieces += [whole[done : len(before)], turn.content]
            done = stop
    return [*pieces, "<|im_end|>"]


@quick
@given(messages=conversations())
def test_ids_are_those_of_transformers_cut_at_the_answers(folder: Path, messages: list[Message]) -> None:
    wording = load_wording(folder)
    tokenizer = oracle(folder, wording.template)
    for prompt in (False, True):
        theirs = tokenizer.apply_chat_template(plain_turns(messages), tokenize=False, add_generation_prompt=prompt)
        assert wording.render(messages, add_generation_prompt=prompt) == theirs
    cut = [tokenizer(piece, add_special_tokens=False).input_ids for piece in pieces_of(tokenizer, messages)]
    assert list(wording.chat_ids(messages).ids) == [token for piece in cut for token in piece]


@quick
@given(messages=conversations())
def test_without_merges_ids_are_those_of_transformers(tmp_path: Path, messages: list[Message]) -> None:
    folder = write_tiny_tokenizer(tmp_path / "base")
    wording, tokenizer = load_wording(folder), oracle(folder, FAITHFUL["chatml"])
    theirs = tokenizer.apply_chat_template(plain_turns(messages), return_dict=False)
    assert list(wording.chat_ids(messages).ids) == theirs[:-1]  # the newline behind the last end of turn


@quick
@given(messages=conversations())
def test_learnt_is_what_the_assistant_said_and_its_end_of_turn(folder: Path, messages: list[Message]) -> None:
    wording = load_wording(folder)
    chat = wording.chat_ids(messages)
    assert len(chat.trained) == len(chat.ids)
    said = [index for index, turn in enumerate(messages) if turn.role == "assistant" and turn.weight]
    assert [turn.message for turn in chat.turns] == said
    learnt = set()
    for turn in chat.turns:
        stop = next((at for at in range(turn.start, len(chat.ids)) if not chat.trained[at]), len(chat.ids))
        assert chat.ids[stop - 1] in wording.end_ids
        assert wording.decode(chat.ids[turn.start : stop - 1]) == messages[turn.message].content == turn.text
        learnt |= set(range(turn.start, stop))
    assert {at for at, trained in enumerate(chat.trained) if trained} == learnt
    assert chat.answer_bytes == sum(len(messages[index].content.encode()) for index in said)


@pytest.mark.parametrize("folder", ["chatml", "generation", "plain"], indirect=True)
@quick
@given(messages=conversations())
def test_the_prompt_that_is_served_is_the_beginning_of_what_was_trained(folder: Path, messages: list[Message]) -> None:
    wording = load_wording(folder)
    chat = wording.chat_ids(messages)
    starts = {turn.message: turn.start for turn in chat.turns}
    for index, turn in enumerate(messages):
        if turn.role == "assistant":
            prompt = wording.prompt_ids(messages[:index])
            assert chat.ids[: len(prompt)] == prompt
            assert starts.get(index, len(prompt)) == len(prompt)


def worded(tmp_path: Path, template: str) -> Wording:
    return load_wording(write_tiny_tokenizer(tmp_path / "base", template=template))


def test_a_base_without_a_template_gets_a_plain_one(tmp_path: Path) -> None:
    folder = write_tiny_tokenizer(tmp_path / "base")
    (folder / "chat_template.jinja").unlink()
    turns = [Message("user", "hi"), Message("assistant", "hello")]
    expected = "User: hi\nAssistant: hello<|im_end|>\n"
    assert load_wording(folder).render(turns, add_generation_prompt=False) == expected
    assert load_wording(folder).render(turns[:1], add_generation_prompt=True) == "User: hi\nAssistant: "


def test_a_template_that_trims_is_used_unless_there_is_something_to_trim(tmp_path: Path) -> None:
    wording = worded(tmp_path, TRIMMING)
    chat = wording.chat_ids([Message("user", " hi "), Message("assistant", "a b")])
    assert wording.decode([token for token, learnt in zip(chat.ids, chat.trained, strict=True) if learnt]) == "a b"
    with pytest.raises(UserError, match="changes what the assistant wrote"):
        wording.chat_ids([Message("user", "hi"), Message("assistant", " a b")])


def test_a_template_that_forgets_answers_is_refused(tmp_path: Path) -> None:
    turns = [Message("user", "q"), Message("assistant", "a")] * 2
    assert worded(tmp_path, FORGETFUL).chat_ids(turns[:2]).turns
    with pytest.raises(UserError, match="changes what the assistant wrote"):
        worded(tmp_path, FORGETFUL).chat_ids(turns)


@pytest.mark.parametrize(
    "template",
    [
        BRACKETS,
        BRACKETS.replace(
            "{{ ' ' + message['content'] + eos_token }}",
            "{{ ' ' }}{% generation %}{{ " + UNMARKED + " }}{{ eos_token + 'x' }}{% endgeneration %}",
        ),
        FAITHFUL["chatml"].replace("message['content']", f"({UNMARKED})"),
        FAITHFUL["chatml"].replace(
            "message['content']", "message['content'] + ('x' if '\uf8e0' in message['content'] else '')"
        ),
        GENERATION.replace("{% generation %}", "{% generation %}{% endgeneration %}{% generation %}"),
    ],
    ids=["private marks", "marks of the template", "prefixes", "marks that change the text", "too many marks"],
)
def test_each_way_of_finding_the_answer_finds_it_alone(tmp_path: Path, template: str) -> None:
    wording = worded(tmp_path, template)
    turns = [Message("user", "q"), Message("assistant", "one"), Message("user", "r"), Message("assistant", "two")]
    chat = wording.chat_ids(turns)
    ends = [turn.start + len(turn.text) for turn in chat.turns]
    assert [turn.text for turn in chat.turns] == ["one", "two"]
    assert sum(chat.trained) == len("onetwo") + 2
    assert [chat.ids[end] for end in ends] == [wording.end_ids[0]] * 2


def test_a_template_that_rewrites_earlier_turns_is_learnt_one_answer_at_a_time(tmp_path: Path) -> None:
    wording = worded(tmp_path, REASONING)
    turns = [
        Message("user", "q"),
        Message("assistant", "<think>\nwhy\n</think>\n\none"),
        Message("user", "r"),
        Message("assistant", "<think>\nhow\n</think>\n\ntwo"),
    ]
    first, second = wording.unrolled(turns)
    assert first == tuple(turns[:2])
    assert [turn.weight for turn in second if turn.role == "assistant"] == [0, 1]
    for part in (first, second):
        chat = wording.chat_ids(part)
        assert [turn.text for turn in chat.turns] == [part[-1].content]
        assert chat.ids[: chat.turns[0].start] == wording.prompt_ids(turns[: len(part) - 1])
    assert "why" not in wording.decode(wording.chat_ids(second).ids)


def test_a_conversation_stays_whole_where_the_template_leaves_it_alone(folder: Path) -> None:
    wording = load_wording(folder)
    turns = [Message("user", "q"), Message("assistant", "a"), Message("user", "r"), Message("assistant", "b")]
    assert wording.unrolled(turns) == [tuple(turns)]


def test_a_template_may_quote_as_json(tmp_path: Path) -> None:
    turns = [Message("user", "<é> & 'q'")]
    wording = worded(tmp_path, QUOTING)
    theirs = oracle(tmp_path / "base", QUOTING)
    assert wording.render(turns, add_generation_prompt=False) == theirs.apply_chat_template(
        plain_turns(turns), tokenize=False
    )


@pytest.mark.parametrize("role", ["system", "user", "assistant"])
@pytest.mark.parametrize("text", ["<|im_start|>", "<|im_end|>", "<pad>", OPEN, CLOSE])
def test_control_text_in_a_message_is_refused(tmp_path: Path, role: str, text: str) -> None:
    wording = worded(tmp_path, FAITHFUL["chatml"])
    turns = [Message("user", "q"), Message(role, f"a {text} b"), Message("assistant", "x")]
    for make in (wording.chat_ids, wording.prompt_ids):
        with pytest.raises(UserError, match="control text"):
            make(turns)


def test_the_date_in_a_prompt_never_changes(tmp_path: Path) -> None:
    text = worded(tmp_path, DATED).render([Message("user", "q")], add_generation_prompt=True)
    assert text.startswith(f"Today: {FIXED_DATE}\n<|im_start|>user")


@pytest.mark.parametrize(
    "template",
    [
        "{% for message in messages %}{{ message",
        "{{ raise_exception('no') }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages[0]['content'] + 1 }}",
        "{{ messages[0].content.nothing.more }}",
        "{{ 1 / 0 }}",
        "{% for i in range(10 ** 9) %}x{% endfor %}",
        "{% for i in range(90000) %}{{ 'x' * 100 }}{% endfor %}",
        "{{ 'x' * 10 ** 9 }}",
        "{{ 2 ** 1000000 }}",
        "{% set all = namespace(x='xx') %}{% for i in range(99) %}{% set all.x = all.x ~ all.x %}{% endfor %}",
        "{% set all = namespace(x='xx') %}{% for i in range(99) %}{% set all.x = all.x + all.x %}{% endfor %}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    ],
)
def test_a_template_that_fails_or_reaches_out_is_named_and_stopped(tmp_path: Path, template: str) -> None:
    with pytest.raises(UserError, match="chat template"):
        worded(tmp_path, template).render([Message("user", "q")], add_generation_prompt=True)


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(999) %}{% for j in range(999) %}{% endfor %}{% endfor %}",
        "{% macro two(n) %}{% if n %}{{ two(n - 1) }}{{ two(n - 1) }}{% endif %}{% endmacro %}{{ two(60) }}",
    ],
)
def test_a_template_that_never_ends_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str) -> None:
    monkeypatch.setattr(templates, "MAX_STEPS", 10_000)
    with pytest.raises(UserError, match="more than 10,000 steps"):
        worded(tmp_path, template).render([Message("user", "q")], add_generation_prompt=True)


@pytest.mark.parametrize("form", ["file", "inline", "named", "none", "ends in config", "no pad"])
def test_a_saved_wording_is_the_same_wording(tmp_path: Path, form: str) -> None:
    folder = write_tiny_tokenizer(tmp_path / "base")
    if form in {"inline", "named", "none"}:
        (folder / "chat_template.jinja").unlink()
    if form == "inline":
        rewrite_json(folder, "tokenizer_config.json", chat_template=FAITHFUL["chatml"])
    if form == "named":
        named = [{"name": "tools", "template": "x"}, {"name": "default", "template": FAITHFUL["chatml"]}]
        rewrite_json(folder, "tokenizer_config.json", chat_template=named)
    if form == "ends in config":
        ends = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
        (folder / "generation_config.json").unlink()
        rewrite_json(folder, "config.json", eos_token_id=ends)
    if form == "no pad":
        rewrite_json(folder, "tokenizer_config.json", pad_token=None)
    tuned = tmp_path / "tuned"
    tuned.mkdir()
    wording = load_wording(folder)
    save_wording(tuned, wording, base=folder)
    again = load_wording(tuned)
    assert again.template_hash == wording.template_hash
    assert (again.pad_id, again.end_ids) == (wording.pad_id, wording.end_ids)
    turns = [Message("user", "q"), Message("assistant", "a")]
    assert again.chat_ids(turns) == wording.chat_ids(turns)
    if form != "none":
        assert wording.template == FAITHFUL["chatml"]


@pytest.mark.parametrize("change", ["template", "tokenizer", "special", "ends"])
def test_whatever_changes_the_ids_changes_the_hash(tmp_path: Path, change: str) -> None:
    folder = write_tiny_tokenizer(tmp_path / "base")
    before = load_wording(folder).template_hash
    match change:
        case "template":
            (folder / "chat_template.jinja").write_text(TRIMMING)
        case "tokenizer":
            write_merging_tokenizer(folder)
        case "special":
            rewrite_json(folder, "tokenizer_config.json", bos_token="<pad>")
        case "ends":
            rewrite_json(folder, "generation_config.json", eos_token_id=[5, 6])
    assert load_wording(folder).template_hash != before


@pytest.mark.parametrize(
    ("name", "content"),
    [("tokenizer.json", None), ("tokenizer.json", "{"), ("tokenizer_config.json", "{"), ("config.json", "{")],
)
def test_a_damaged_folder_names_the_file(tmp_path: Path, name: str, content: str | None) -> None:
    folder = write_tiny_tokenizer(tmp_path / "base")
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(UserError, match=name):
        load_wording(folder)


def test_a_truncation_or_padding_in_the_tokenizer_file_is_switched_off(tmp_path: Path) -> None:
    folder = write_tiny_tokenizer(tmp_path / "base")
    limits = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    rewrite_json(folder, "tokenizer.json", truncation=limits)
    assert len(load_wording(folder).text_ids("a long text")) == len("a long text")
