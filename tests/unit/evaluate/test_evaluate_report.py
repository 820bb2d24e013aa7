"""The page and the folder."""

import base64
import hashlib
import re

import pytest
from evaluate_trials import make_items, make_trial

from luthier.artifacts.tables import read_table
from luthier.evaluate.report.folder import write_report
from luthier.evaluate.report.learnt import Learnt, training
from luthier.evaluate.report.page import render_page

CURVE = [{"step": step, "loss": 1 / step, "validation_loss": 1.1 / step} for step in range(1, 20)]


def test_same_inputs_give_the_same_bytes(trial, tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        made = make_trial(0.2, 0.8)
        write_report(tmp_path / name, made.record, made.observed, learnt=Learnt(CURVE))
    for name in ("evidence.json", "plan.json", "report.html", "card.md", "answers.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_page_asks_for_nothing_and_runs_nothing(trial):
    made = trial(0.2, 0.8)
    page = render_page(made.record, made.observed, learnt=Learnt(CURVE)).decode()
    assert not re.search(r"<script|<link|<img|<iframe|@import|url\(|https?://| style=| on\w+=", page)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"default-src &#39;none&#39;; style-src &#39;sha256-{digest}&#39;" in page


def test_texts_of_answers_are_shown_escaped(trial):
    made = trial(0.2, 0.8)
    page = render_page(made.record, made.observed).decode()
    assert "I don&#39;t know &lt;script&gt;" in page
    assert "&lt;b&gt;&amp;?" in page
    assert page.count("<svg") >= 4


def test_the_page_holds_what_was_reckoned_with_against_what_came(trial):
    made = trial(0.2, 0.8)
    arms = (made.record["scores"][arm]["exact_match"] for arm in ("tuned", "base"))
    differed = sum(one != other for one, other in zip(*arms, strict=True)) / 200
    assert made.record["figures"]["psi"] == pytest.approx(differed)
    page = render_page(made.record, made.observed).decode()
    assert "that the two differ on 30 % of the items, and that gains of 15 points are found" in page
    assert f"They differed on {100 * differed:.0f} %" in page


def test_every_verdict_and_every_hole_can_be_shown(trial, label_trial):
    trials = [
        trial(0.05, 0.9),
        trial(0.5, 0.5, look=3),
        trial(0.9, 0.1, ratio=1.2, leaks=2),
        trial(0.0, 1.0, documents=1, per_document=3),
        trial(0.0, 0.0),
        label_trial(0.0, 1.0, documents=1),
        label_trial(0.0, 1.0, documents=2),
        label_trial(1.0, 1.0),
        label_trial(0.3, 0.9),
    ]
    for made in trials:
        page = render_page(made.record, made.observed, learnt=Learnt(CURVE[:1])).decode()
        assert f"<h1>{made.record['verdict']['verdict'].replace(chr(39), '&#39;')}</h1>" in page
        for caveat in made.record["verdict"]["caveats"]:
            assert caveat in page


def test_answers_hold_every_arm_and_item(trial, tmp_path):
    made = trial(0.2, 0.8)
    write_report(tmp_path, made.record, made.observed)
    rows = read_table(tmp_path / "answers.parquet")
    ids = [item.id for item in make_items(40, 5)]
    assert [row["item"] for row in rows] == ids + ids
    assert sum(row["score"] for row in rows[200:]) == sum(made.record["scores"]["tuned"]["exact_match"])
    card = (tmp_path / "card.md").read_text()
    assert card.startswith("## Evaluation\n\n**SHIP**")
    assert made.record["sha256"] in card


def test_the_curve_shows_what_happened_and_says_what_it_means():
    base = {"step": 0, "validation_loss": 1.2, "bits_per_byte": 1.5}
    curve = [base, *({**point, "bits_per_byte": point["validation_loss"]} for point in CURVE)]
    finding = {"kind": "over-fit", "words": "held-out loss rose <again>", "numbers": {}}
    events = [{"step": 7, "what": "best held out"}, {"step": 19, "what": "stopped early"}]
    section = training(Learnt(curve, {"diagnosis": [finding], "events": events}))
    assert section is not None
    plot = section.figures[0].plot
    assert plot.count('class="mark mark"') == 2
    assert "step 7: best held out" in plot
    assert f'x1="{round(12 + 86 * 7 / 19, 3)}%"' in plot
    assert section.lines[0] == "Over-fit: held-out loss rose <again>"
    assert "1.500 bits" in section.lines[1]
    assert training(Learnt(curve[:1])) is None
