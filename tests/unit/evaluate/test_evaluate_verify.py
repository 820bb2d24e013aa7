"""verify: nothing can be edited unseen."""

import json
import random
import re
import time

import numpy as np
import pytest
from evaluate_trials import answers, general_text, make_items, make_setting

from luthier.artifacts.canonical import sha256_of
from luthier.errors import NotFoundError
from luthier.evaluate.report.evidence import Observed, assemble, evidence_bytes
from luthier.evaluate.report.schema import schema_problems
from luthier.evaluate.verify import check_evidence, verify


@pytest.fixture
def evidence(trial, tmp_path):
    path = tmp_path / "evidence.json"
    path.write_bytes(evidence_bytes(trial(0.3, 0.6).record))
    return path


@pytest.mark.parametrize(("base", "tuned"), [(0.05, 0.9), (0.5, 0.5), (0.0, 0.0)])
def test_untouched_evidence_holds(trial, label_trial, tmp_path, base, tuned):
    for name, made in (("words", trial(base, tuned)), ("labels", label_trial(base, tuned))):
        path = tmp_path / name
        path.write_bytes(evidence_bytes(made.record))
        assert verify(path) == []


def test_any_edited_digit_is_caught(evidence):
    text = evidence.read_text()
    places = [match.start() for match in re.finditer(r"\d", text)]
    choose = random.Random(4)
    for place in choose.sample(places, 60):
        digit = choose.choice([other for other in "0123456789" if other != text[place]])
        evidence.write_text(text[:place] + digit + text[place + 1 :])
        assert verify(evidence), f"{text[place - 30 : place + 10]} with {digit}"


def test_any_edited_byte_is_caught(evidence):
    content = evidence.read_bytes()
    choose = random.Random(5)
    for place in choose.sample(range(len(content)), 60):
        byte = choose.choice([other for other in range(256) if other != content[place]])
        evidence.write_bytes(content[:place] + bytes([byte]) + content[place + 1 :])
        assert verify(evidence), content[place - 20 : place + 10]


def leaves(value, path=()):
    """Places of all numbers in a JSON value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from leaves(inner, (*path, place))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path


def test_edits_with_a_repaired_hash_are_caught(trial, tmp_path):
    record = trial(0.3, 0.6, documents=12).record
    path = tmp_path / "evidence.json"
    places = [
        place for key in ("figures", "scores", "verdict", "look", "plan") for place in leaves(record[key], (key,))
    ]
    for place in random.Random(6).sample(places, 60):
        edited = json.loads(json.dumps(record))
        inner = edited
        for key in place[:-1]:
            inner = inner[key]
        value = inner[place[-1]]
        inner[place[-1]] = 1 - value if place[0] == "scores" else value + 1 if isinstance(value, int) else value + 1e-6
        edited["sha256"] = sha256_of({key: value for key, value in edited.items() if key != "sha256"})
        path.write_bytes(evidence_bytes(edited))
        if place[0] == "scores" and place[2] == "ended":
            continue  # an answer's end is shown, and judged nowhere: see figures.unfinished
        assert verify(path), place


def test_problems_name_the_figure(evidence):
    text = evidence.read_text()
    evidence.write_text(re.sub(r'("df":)\d+', r"\g<1>11", text, count=1))
    assert any("figures." in problem and "recomputed" in problem for problem in verify(evidence))


def test_what_was_checked_and_what_nobody_can_know_is_told(evidence):
    found = check_evidence(evidence)
    assert any("200 items from 40 documents" in line for line in found.checked)
    assert any("only the evidence file" in line for line in found.not_checked)
    assert any("rewrote the whole file" in line for line in found.not_checked)


def test_another_shape_is_named(trial):
    record = trial(0.3, 0.6).record
    assert schema_problems(record) == []
    for change, said in (
        ({"gates": {"size": "passed"}}, "gates.size"),
        ({"plan": {**record["plan"], "alpha": "0.025"}}, "plan.alpha"),
        ({"look": {"number": 1, "alpha": 0.025}}, "look.line"),
        ({"scores": {**record["scores"], "base": {"exact_match": [True]}}}, "scores.base"),
        ({"verdict": {**record["verdict"], "verdict": "PERHAPS"}}, "verdict.verdict"),
        ({"plan_sha256": "short"}, "plan_sha256"),
    ):
        assert [problem.partition(":")[0] for problem in schema_problems({**record, **change})] == [said]


def test_what_is_not_evidence_is_said(tmp_path):
    with pytest.raises(NotFoundError):
        verify(tmp_path / "nothing.json")
    for text in ("", "[]", '{"format": "luthier.evidence/1"}', "\xff"):
        path = tmp_path / "evidence.json"
        path.write_text(text)
        assert verify(path)


def test_a_hundred_thousand_items_take_under_five_seconds(tmp_path):
    items = make_items(20_000, 5)
    draw = np.random.default_rng(0)
    arms = [answers(items, draw.random(len(items)) < chance) for chance in (0.3, 0.4)]
    record = assemble(make_setting(items), Observed(items, arms[0], arms[1], (), general_text()))
    path = tmp_path / "evidence.json"
    path.write_bytes(evidence_bytes(record))
    start = time.process_time()
    assert verify(path) == []
    assert time.process_time() - start < 5
