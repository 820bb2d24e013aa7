"""Every receipt stops an injected bug, names it, and lets healthy rows pass."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from prepare_corpora import coded
from templates import HEADED, TAGGED, TALK, TOLD, WEATHER
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors

from luthier.errors import UserError
from luthier.models import receipts
from luthier.models.chat import Wording, load_wording
from luthier.prepare.prepared import Prepared
from luthier.records import Message, Worded

TURNS = (
    Message("user", "How are you?"),
    Message("assistant", "Well."),
    Message("user", "Why?"),
    Message("assistant", "Naïve, I know."),
)


@pytest.fixture
def wording(tiny_tokenizer_folder: Path) -> Wording:
    return load_wording(tiny_tokenizer_folder)


@pytest.fixture
def row(wording: Wording) -> Worded:
    worded = wording.chat_ids(TURNS)
    return Worded("r1", "g", "a.csv:3", worded.ids, worded.trained, (), worded.answer_bytes)


def with_mask(row: Worded, trained: list[bool]) -> Worded:
    return dataclasses.replace(row, trained=tuple(trained))


def rewrite(folder: Path, name: str, **values: object) -> Wording:
    content = json.loads((folder / name).read_text(encoding="utf-8")) | values
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return load_wording(folder)


def test_a_healthy_row_passes_every_receipt(row: Worded, wording: Wording) -> None:
    assert receipts.check_trained([row])["trained_tokens"] == len("Well.") + len("Naïve, I know.".encode()) + 2
    assert receipts.check_end([row], wording) == {"turns": 2}
    receipts.check_start([row], wording)
    receipts.check_told(row, TURNS, wording)
    assert receipts.check_lengths([row], limit=512)["longest"] == len(row.ids)
    receipts.check_template(wording.template_hash, wording)


def test_r1_everything_masked(row: Worded) -> None:
    with pytest.raises(UserError, match=r"receipt R1 .* row r1 at a\.csv:3: no token would be learnt"):
        receipts.check_trained([row, with_mask(row, [False] * len(row.ids))])


def test_r2_the_prompt_is_trained_too(row: Worded, wording: Wording) -> None:
    first = row.trained.index(True)
    mask = list(row.trained)
    mask[first - 3 : first] = [True] * 3
    with pytest.raises(UserError, match=r"receipt R2 .* a\.csv:3"):
        receipts.check_told(with_mask(row, mask), TURNS, wording)


def test_r2_one_turn_is_forgotten(row: Worded, wording: Wording) -> None:
    (start, end), _last = receipts.learnt_stretches(row)
    mask = [learnt and not start <= place < end for place, learnt in enumerate(row.trained)]
    with pytest.raises(UserError, match="1 stretches are learnt, the assistant speaks 2 times"):
        receipts.check_told(with_mask(row, mask), TURNS, wording)


def test_r2_half_a_call_is_learnt(wording: Wording) -> None:
    wording = dataclasses.replace(wording, template=TAGGED)
    worded = wording.chat_ids(TALK, tools=[WEATHER])
    row = Worded("r1", "g", "a.csv:3", worded.ids, worded.trained, (), worded.answer_bytes)
    receipts.check_told(row, TALK, wording, tools=[WEATHER])
    start = row.trained.index(True)
    mask = [learnt and place >= start + 5 for place, learnt in enumerate(row.trained)]
    with pytest.raises(UserError, match=r"receipt R2 .* the assistant said '<tool_call>"):
        receipts.check_told(with_mask(row, mask), TALK, wording, tools=[WEATHER])


def test_r3_the_start_token_is_there_twice(row: Worded, wording: Wording) -> None:
    twice = dataclasses.replace(row, ids=(row.ids[0], *row.ids), trained=(False, *row.trained))
    with pytest.raises(UserError, match=r"receipt R3 .* twice"):
        receipts.check_start([twice], wording)


def test_r3_the_start_token_is_missing_where_the_tokenizer_writes_one(row: Worded, tiny_tokenizer_folder: Path) -> None:
    path = tiny_tokenizer_folder / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    start = "<|im_start|>"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A", special_tokens=[(start, tokenizer.token_to_id(start))]
    )
    tokenizer.save(str(path))
    wording = load_wording(tiny_tokenizer_folder)
    receipts.check_start([row], wording)
    headless = dataclasses.replace(row, ids=row.ids[1:], trained=row.trained[1:])
    with pytest.raises(UserError, match=r"receipt R3 .* does not start with"):
        receipts.check_start([headless], wording)


def test_r4_the_end_of_turn_is_not_learnt(row: Worded, wording: Wording) -> None:
    *_first, (_start, end) = receipts.learnt_stretches(row)
    mask = list(row.trained)
    mask[end - 1] = False
    with pytest.raises(UserError, match=r"receipt R4 .* without an end of turn"):
        receipts.check_end([with_mask(row, mask)], wording)


def test_r4_padding_is_the_end_of_turn(row: Worded, tiny_tokenizer_folder: Path) -> None:
    wording = rewrite(tiny_tokenizer_folder, "tokenizer_config.json", pad_token="<|im_end|>")
    with pytest.raises(UserError, match=r"receipt R4 .* never learns to stop"):
        receipts.check_end([row], wording)


def test_r4_generation_stops_at_another_token(row: Worded, wording: Wording, tiny_tokenizer_folder: Path) -> None:
    start = wording.tokenizer.token_to_id("<|im_start|>")
    other = rewrite(tiny_tokenizer_folder, "generation_config.json", eos_token_id=start)
    with pytest.raises(UserError, match=r"receipt R4 .* generation stops at"):
        receipts.check_end([row], other)


def test_r5_a_template_that_rewrites_earlier_turns(wording: Wording) -> None:
    forgetful = dataclasses.replace(
        wording,
        template=wording.template.replace(
            "message['content']", "(message['content'] if loop.revindex <= 2 else message['content'][:3])"
        ),
    )
    worded = wording.chat_ids(TURNS)
    row = Worded("r1", "g", "a.csv:3", worded.ids, worded.trained, (), worded.answer_bytes)
    with pytest.raises(UserError, match=r"receipt R5 .* another prompt than will be served"):
        receipts.check_told(row, TURNS, forgetful)


def test_r5_tools_that_will_not_be_served(wording: Wording) -> None:
    wording = dataclasses.replace(wording, template=TAGGED)
    worded = wording.chat_ids(TALK, tools=[WEATHER])
    row = Worded("r1", "g", "a.csv:3", worded.ids, worded.trained, (), worded.answer_bytes)
    with pytest.raises(UserError, match=r"receipt R5 .* another prompt than will be served"):
        receipts.check_told(row, TALK, wording)


def test_r5_a_labelled_text_with_other_ids(wording: Wording) -> None:
    ids = wording.text_ids("some text")
    row = Worded("r1", "g", "a.csv:3", ids, (False,) * len(ids), (1,))
    receipts.check_text(row, ("some text",), wording)
    with pytest.raises(UserError, match="receipt R5"):
        receipts.check_text(row, ("some  text",), wording)


def test_r6_a_row_is_longer_than_the_base_reads(row: Worded) -> None:
    with pytest.raises(UserError, match=r"receipt R6 .* the limit is 10"):
        receipts.check_lengths([row], limit=10)


def test_r9_the_template_changed(wording: Wording, tiny_tokenizer_folder: Path) -> None:
    path = tiny_tokenizer_folder / "chat_template.jinja"
    path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8")
    with pytest.raises(UserError, match="receipt R9"):
        receipts.check_template(wording.template_hash, load_wording(tiny_tokenizer_folder))


def test_prepare_stops_on_a_broken_base(
    preparing: Callable[..., Prepared], tmp_path: Path, tiny_tokenizer_folder: Path
) -> None:
    rewrite(tiny_tokenizer_folder, "tokenizer_config.json", pad_token="<|im_end|>")
    with pytest.raises(UserError, match="receipt R4"):
        preparing(coded(60), objective_name="chat")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["corpus"]


def test_r8_a_message_is_missing_from_the_render(row: Worded, wording: Wording) -> None:
    receipts.check_content(row, TURNS, wording)
    with pytest.raises(UserError, match=r"receipt R8 .* text of turn 0 \(system\) is missing"):
        receipts.check_content(row, (Message("system", "Be brief."), *TURNS), wording)
    with pytest.raises(UserError, match=r"receipt R8"):
        receipts.check_content(row, TURNS[::-1], wording)


@pytest.mark.parametrize(
    ("shown", "hidden"),
    [
        ("{{- tool | tojson }}", ""),
        ("{{- call.arguments | tojson }}", "{{- '{}' }}"),
        ("'\\n<tool_response>\\n' + message.content", "'\\n<tool_response>\\n'"),
        ("{{- messages[0].content + '\\n\\n' }}", ""),
    ],
    ids=["tools", "calls", "results", "system text"],
)
def test_r8_tools_are_missing_from_the_render(wording: Wording, shown: str, hidden: str) -> None:
    assert shown in TAGGED
    for template in (TAGGED, TAGGED.replace(shown, hidden)):
        broken = dataclasses.replace(wording, template=template)
        worded = broken.chat_ids(TALK, tools=[WEATHER])
        row = Worded("r1", "g", "a.csv:3", worded.ids, worded.trained, (), worded.answer_bytes)
        if template == TAGGED:
            receipts.check_content(row, TALK, broken, tools=[WEATHER])
        else:
            with pytest.raises(UserError, match=r"receipt R8 .* missing from what the model reads"):
                receipts.check_content(row, TALK, broken, tools=[WEATHER])


def test_r8_results_may_be_quoted(wording: Wording) -> None:
    wording = dataclasses.replace(wording, template=HEADED)
    worded = wording.chat_ids(TALK, tools=[WEATHER])
    row = Worded("r1", "g", "a.csv:3", worded.ids, worded.trained, (), worded.answer_bytes)
    assert TOLD.content not in wording.decode(row.ids)
    receipts.check_content(row, TALK, wording, tools=[WEATHER])


def test_r11_a_text_that_does_not_come_back(tiny_tokenizer_folder: Path, row: Worded) -> None:
    path = tiny_tokenizer_folder / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.save(str(path))
    receipts.check_round_trip(row, "Room  12, Naïve", load_wording(tiny_tokenizer_folder))
    digits = pre_tokenizers.Split(Regex("[0-9]"), behavior="removed")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.save(str(path))
    with pytest.raises(UserError, match=r"receipt R11 .* does not come back"):
        receipts.check_round_trip(row, "Room 12, Naïve", load_wording(tiny_tokenizer_folder))


def test_r11_unknown_tokens(tiny_tokenizer_folder: Path, row: Worded) -> None:
    wording = rewrite(tiny_tokenizer_folder, "tokenizer_config.json", unk_token="q")
    unknown = wording.tokenizer.token_to_id("q")
    assert receipts.check_known([row], wording) == {"tokens": len(row.ids), "unknown": 0}
    many = dataclasses.replace(row, ids=(unknown,) * len(row.ids))
    with pytest.raises(UserError, match=r"receipt R11 .* unknown to the tokenizer"):
        receipts.check_known([row, many], wording)


def test_r12_a_label_without_training_rows(row: Worded) -> None:
    rows = [dataclasses.replace(row, labels=(place % 2,)) for place in range(4)]
    assert receipts.check_labels(rows, ["a", "b"]) == {"labels": 2}
    with pytest.raises(UserError, match=r"receipt R12 .* the first: 'c'"):
        receipts.check_labels(rows, ["a", "b", "c"])
    with pytest.raises(UserError, match=r"receipt R12 .* its labels \[1\] are not among the 1"):
        receipts.check_labels(rows, ["a"])
