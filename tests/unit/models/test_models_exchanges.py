"""Questions and answers read back from ids."""

from pathlib import Path

import pytest
from tiny_bases import CHATML, write_tiny_tokenizer

from luthier.models.chat import Wording, load_wording
from luthier.models.exchanges import Exchange, ExchangeReader
from luthier.models.template import PLAIN_TEMPLATE
from luthier.records import Message, Worded

NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system text') }}{% endif %}"
    "{% for message in messages %}{{ '[' + message['role'] + ']' + message['content'] + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


@pytest.fixture(params=[CHATML, PLAIN_TEMPLATE, NO_SYSTEM], ids=["chatml", "plain", "no system"])
def wording(request: pytest.FixtureRequest, tmp_path: Path) -> Wording:
    return load_wording(write_tiny_tokenizer(tmp_path / "base", template=request.param))


def row_of(wording: Wording, *turns: Message) -> Worded:
    chat = wording.chat_ids(turns)
    return Worded("r", "g", "a:1", chat.ids, chat.trained)


def says_system(wording: Wording) -> bool:
    return "raise_exception" not in wording.template


def test_a_question_and_its_answer_come_back(wording: Wording) -> None:
    reader = ExchangeReader(wording)
    system = [Message("system", "Be short.")] if says_system(wording) else []
    row = row_of(wording, *system, Message("user", "Wo liegt\n\nKöln?"), Message("assistant", "Am Rhein. "))
    found = reader.read(row)
    assert found == Exchange(
        "Be short." if system else None, "Wo liegt\n\nKöln?", "Am Rhein. ".rstrip() + found.answered[9:]
    )
    assert reader.is_true(found, row)


def test_of_a_longer_conversation_the_first_exchange_comes_back(wording: Wording) -> None:
    turns = [Message("user", "a?"), Message("assistant", "b"), Message("user", "c?"), Message("assistant", "d")]
    row = row_of(wording, *turns)
    found = ExchangeReader(wording).read(row)
    assert found is not None
    assert (found.asked, found.answered) == ("a?", "b")
    assert ExchangeReader(wording).is_true(found, row)


def test_what_is_no_first_answer_is_not_taken_for_one(tmp_path: Path) -> None:
    wording = load_wording(write_tiny_tokenizer(tmp_path / "base"))
    reader = ExchangeReader(wording)
    turns = [
        Message("user", "a?"),
        Message("assistant", "b", weight=0),
        Message("user", "c?"),
        Message("assistant", "d"),
    ]
    late = row_of(wording, *turns)
    found = reader.read(late)
    assert found is None or not reader.is_true(found, late)
    document = wording.document_row("Some text.", row_id="r", group="g", at="a:1")
    found = reader.read(document)
    assert found is None or not reader.is_true(found, document)
    unlearnt = Worded("r", "g", "a:1", (1, 2), (False, False))
    assert reader.read(unlearnt) is None
