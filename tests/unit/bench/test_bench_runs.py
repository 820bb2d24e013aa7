"""The parts of the benches that must be right for their numbers to mean something."""

import json
import random
import signal
import statistics
import time
from itertools import islice
from pathlib import Path

from bench.engine import _rows
from bench.evidence.e10 import edited, forged
from bench.journey.encoder import Told, tfidf
from bench.journey.kills import Moment, _moment
from bench.runs import STAGES, Child, run_words
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from luthier.artifacts.canonical import sha256_of
from luthier.models.chat import Wording
from luthier.models.template import PLAIN_TEMPLATE
from luthier.records import Message


def word_wording() -> Wording:
    tokenizer = Tokenizer(WordLevel({"[unk]": 0, "<end>": 1}, unk_token="[unk]"))
    tokenizer.pre_tokenizer = Whitespace()
    return Wording(
        tokenizer=tokenizer,
        template=PLAIN_TEMPLATE,
        special={"eos_token": "<end>"},
        end_ids=(1,),
        pad_id=1,
        start_id=None,
        control=(),
        context=4096,
        template_hash="",
    )


def test_standard_rows_have_the_standard_shape() -> None:
    wording = word_wording()
    rows = _rows.standard_rows(96, seed=0, wording=wording)
    worded = [
        wording.chat_ids([Message("user", row[0]["content"]), Message("assistant", row[1]["content"])]) for row in rows
    ]
    lengths = [len(row.ids) for row in worded]
    share = sum(sum(row.trained) for row in worded) / sum(lengths)
    assert abs(statistics.mean(lengths) - 190) < 6
    assert 0.31 < share < 0.36
    # Padded in batches of 8, half of it would be padding: rows of equal length would flatter a peer that pads.
    padded = sum(8 * max(lengths[start : start + 8]) for start in range(0, 96, 8))
    assert 0.4 < 1 - sum(lengths) / padded < 0.65


def test_standard_rows_depend_on_the_seed_alone(tmp_path: Path) -> None:
    wording = word_wording()
    first, again, other = (_rows.standard_rows(8, seed=seed, wording=wording) for seed in (0, 0, 1))
    assert first == again != other
    _rows.write_tokenized(tmp_path / "rows.jsonl", _rows.tokenized(first, wording))
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert lines == _rows.tokenized(first, wording)
    assert all(len(line["ids"]) == len(line["trained"]) > sum(line["trained"]) > 0 for line in lines)


def test_a_moment_of_the_unbroken_run_is_a_moment_of_a_stage() -> None:
    marks = [0.0, 1.0, 3.0, 10.0, 60.0, 100.0]
    assert _moment(0.5, marks) == Moment(stage=-1, after=0.5)
    assert _moment(12.0, marks) == Moment(stage=STAGES.index("train"), after=2.0)
    assert _moment(99.0, marks) == Moment(stage=STAGES.index("evaluate"), after=39.0)


def test_a_child_tells_how_it_ended_and_what_it_used() -> None:
    ended = Child("--version").wait()
    assert ended.code == 0
    assert ended.out.startswith("luthier ")
    assert 0 < ended.seconds < 60
    assert ended.peak_bytes > 5e6  # no upper bound: until it runs its own program, a child counts as large as we are


def test_a_child_can_be_killed_and_knows_no_stage_before_the_first(tmp_path: Path) -> None:
    child = Child(*run_words(tmp_path / "missing.yaml", settings=["train.seed=1"]))
    assert child.stage() == -1
    assert child.kill().code == -signal.SIGKILL
    assert child.poll() is not None


def test_the_stage_of_a_child_is_the_last_that_began(tmp_path: Path) -> None:
    child = Child("--help")
    child._told.write_text("collect: skipped (x)\nprepare: runs (y)\ntrain: 3/9 loss\n", encoding="utf-8")
    assert STAGES[child.stage()] == "prepare"
    while child.poll() is None:
        time.sleep(0.01)


def test_every_edit_changes_one_byte_and_every_forgery_renews_the_hash() -> None:
    record = {"figures": {"gain": {"value": 0.5, "n": 7, "low": None}, "slices": [{"n": 3}]}, "kept": [True, 1]}
    record |= {"scores": {"base": {"exact_match": [1.0]}}}
    whole = json.dumps(record | {"sha256": sha256_of(record)}).encode()
    for _, content in islice(edited(whole, random.Random(0)), 50):
        assert sum(old != new for old, new in zip(whole, content, strict=True)) == 1
    touched = set()
    for what, content in islice(forged(whole, random.Random(0)), 50):
        changed = json.loads(content)
        assert changed.pop("sha256") == sha256_of(changed)
        assert changed != record
        touched.add(what)
    assert touched == {"figures.gain.value", "figures.gain.n", "figures.slices.0.n", "scores.base.exact_match.0"}


def test_the_peer_of_the_encoder_learns_from_words_and_their_parts() -> None:
    train = Told(["fracture of hip", "fractured wrist", "viral fever", "bacterial fever"], ["S", "S", "A", "A"])
    validation = Told(["hip fracture", "feverish"], ["S", "A"])
    strength, labels = tfidf(train, validation, ["fracturing", "fevers"])
    assert labels == ["S", "A"]
    assert strength > 0
