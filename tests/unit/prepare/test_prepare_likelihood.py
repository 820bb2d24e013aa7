"""What the base makes of training rows: reported when asked for, with nothing loaded otherwise."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from prepare_corpora import chat, coded, document
from tiny_bases import write_base

from luthier.errors import UserError
from luthier.models.bases import Base
from luthier.models.chat import load_wording
from luthier.models.engines.hf import load_engine
from luthier.prepare import likelihood
from luthier.prepare.clean.config import CleanConfig
from luthier.prepare.likelihood import read_by_base
from luthier.prepare.prepared import Prepared
from luthier.records import Message, Worded, nobody_listens

Preparing = Callable[..., Prepared]


@pytest.fixture
def weighty(base: Base) -> Base:
    """The base of the tests, with weights."""
    write_base(base.folder, kind="llama")
    return base


def row(base: Base, number: int, question: str, answer: str) -> Worded:
    worded = load_wording(base.folder).chat_ids([Message("user", question), Message("assistant", answer)])
    ids, trained = worded.ids, worded.trained
    return Worded(f"{number:032x}", "g", f"a.csv:{number}", ids, trained, (), len(answer.encode()))


def sheet_of(prepared: Prepared) -> dict[str, Any]:
    return orjson.loads(prepared.dataset.file("sheet.json").read_bytes())


def test_nats_are_of_the_learnt_tokens_behind_their_question_and_alone(weighty: Base) -> None:
    rows = [row(weighty, number, f"What is {number}?", f"It is {number}.") for number in range(30)]
    rows.append(row(weighty, 99, "What?", "\x01\x02\x03\x04\x05\x06" * 3))
    config = CleanConfig(likelihood=True, helpful_questions=True)
    found = read_by_base(rows, weighty, config, listener=nobody_listens)
    assert found is not None
    assert (found.read, found.of) == (31, 31)
    engine = load_engine(weighty, tuned=None, threads=1)
    start = engine.wording.start_id
    ratios = {}
    for one in rows:
        first = one.trained.index(True)
        ids = (start, *one.ids[first:])
        alone = Worded(one.id, "g", "", ids, (False, *(True,) * (len(ids) - 1)), (), 1)
        given, without = engine.nats([one, alone], adapter=False)
        ratios[one.id] = given / without
    expected = {name for name, ratio in ratios.items() if ratio >= 1}
    assert {name for name, _ in found.unhelpful or ()} == expected
    assert all(ratio == pytest.approx(ratios[name], abs=1e-3) for name, ratio in found.unhelpful or ())
    assert read_by_base(rows[::-1], weighty, config, listener=nobody_listens) == found


def test_only_the_rows_with_the_smallest_hashes_are_read(weighty: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likelihood, "MOST_ROWS", 5)
    rows = [row(weighty, number, "What?", f"It is {number}.") for number in range(9)]
    config = CleanConfig(likelihood=True, outlier_z=0.001)
    found = read_by_base(rows, weighty, config, listener=nobody_listens)
    assert found is not None
    assert (found.read, found.of, found.unhelpful) == (5, 9, None)
    assert len(found.unusual or ()) <= 5
    monkeypatch.setattr(likelihood, "MOST_TOKENS", 2 * len(rows[0].ids))
    fewer = read_by_base(rows, weighty, config, listener=nobody_listens)
    assert fewer is not None
    assert fewer.read == 2


def test_the_sheet_shows_both_reports_with_the_setting_that_asked(weighty: Base, preparing: Preparing) -> None:
    rows = [chat(f"Which is {number}?", f"Number {number}.", line=number, code=f"K{number}") for number in range(60)]
    rows += [chat("And?", "\x7f~`^" * 30, line=90 + number, code=f"Z{number}") for number in range(1)]
    clean = {"likelihood": True, "helpful_questions": True, "outlier_z": 1.0}
    prepared = preparing(rows, objective_name="chat", group_by="code", clean=clean)
    found = sheet_of(prepared)["look_at"]["likelihood"]
    assert found["read"] == found["of"] == prepared.dataset.manifest.counts["train"]
    assert found["unusual"]["setting"] == "prepare.clean.likelihood: true"
    assert found["unusual"]["first"][0]["at"].startswith("a.csv:")
    assert found["unusual"]["first"][0]["text"]
    assert found["unhelpful"]["setting"] == "prepare.clean.helpful_questions: true"
    assert "Asked for by prepare.clean.likelihood." in prepared.dataset.file("sheet.html").read_text()
    again = preparing(rows, run="again", objective_name="chat", group_by="code", clean=clean)
    assert again.dataset.digest == prepared.dataset.digest


def test_raw_text_has_a_likelihood_and_no_questions(weighty: Base, preparing: Preparing) -> None:
    pages = [document(number, f"Page {number} says: oil pump{number} with oil{number}.") for number in range(40)]
    settings = {"objective_name": "complete", "documents": pages, "group_by": None}
    found = sheet_of(preparing([], clean={"likelihood": True}, **settings))["look_at"]["likelihood"]
    assert found["unhelpful"] is None
    assert found["median"] > 0
    with pytest.raises(UserError, match="helpful_questions asks about questions"):
        preparing([], run="other", clean={"helpful_questions": True}, **settings)


def test_a_classifier_writes_nothing(preparing: Preparing) -> None:
    with pytest.raises(UserError, match=r"prepare\.clean\.likelihood asks about text that is written"):
        preparing(coded(60), clean={"likelihood": True})


def test_nothing_is_loaded_unless_asked_for() -> None:
    code = "import sys, luthier.prepare.stage; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
