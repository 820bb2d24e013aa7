"""Two reports side by side: paired where the exam is one, independent where it is not, and nothing where neither is."""

import copy
import math

import numpy as np
import pytest

from luthier.artifacts.canonical import sha256_of
from luthier.errors import NotFoundError, UserError
from luthier.evaluate.contrast_reports import contrast_reports
from luthier.evaluate.report.evidence import evidence_bytes


@pytest.fixture
def kept(tmp_path):
    """Write a record, with its hash made good, and return its path."""

    def write(name, record, **changes):
        record = copy.deepcopy(record)
        for key, value in changes.items():
            outer, _, inner = key.partition("__")
            record[outer][inner] = value
        record["sha256"] = sha256_of({key: value for key, value in record.items() if key != "sha256"})
        path = tmp_path / name
        path.write_bytes(evidence_bytes(record))
        return path

    return write


def test_one_exam_is_paired_item_by_item(trial, kept):
    first, second = (trial(0.2, chance, seed=seed).record for chance, seed in ((0.5, 1), (0.8, 2)))
    found = contrast_reports(kept("a", first), kept("b", second)).contrast
    tuned = [np.array(record["scores"]["tuned"]["exact_match"]) for record in (first, second)]
    assert found.kind == "paired"
    assert found.figure["value"] == pytest.approx(float((tuned[1] - tuned[0]).mean()), abs=1e-12)
    assert found.figure["low"] > 0
    assert found.figure["p"] < 0.001
    swapped = contrast_reports(kept("b", second), kept("a", first)).contrast
    assert swapped.figure["high"] == pytest.approx(-found.figure["low"], abs=1e-12)


def test_metrics_of_the_whole_exam_are_paired_too(label_trial, kept):
    first, second = (label_trial(0.2, chance, seed=seed).record for chance, seed in ((0.5, 1), (0.9, 2)))
    found = contrast_reports(kept("a", first), kept("b", second)).contrast
    gap = second["figures"]["tuned"]["value"] - first["figures"]["tuned"]["value"]
    assert (found.kind, found.figure["value"]) == ("paired", pytest.approx(gap, abs=1e-12))


def test_other_exams_leave_only_gain_against_gain(trial, kept):
    first, second = (trial(0.2, chance, seed=seed).record for chance, seed in ((0.5, 1), (0.8, 2)))
    found = contrast_reports(kept("a", first), kept("b", second, exam__root="s" * 64)).contrast
    gains = [record["figures"]["gain"] for record in (first, second)]
    assert found.kind == "independent"
    assert found.figure["value"] == pytest.approx(gains[1]["value"] - gains[0]["value"], abs=1e-12)
    assert found.figure["se"] == pytest.approx(math.hypot(gains[0]["se"], gains[1]["se"]), abs=1e-12)


def test_the_later_look_sets_the_level(trial, kept):
    first, second = trial(0.2, 0.5).record, trial(0.2, 0.8, look=3).record
    assert contrast_reports(kept("a", first), kept("b", second)).contrast.alpha == second["look"]["alpha"] < 0.025


def test_what_cannot_be_compared_is_said(trial, label_trial, kept):
    words, labels = trial(0.2, 0.8).record, label_trial(0.2, 0.8).record
    cases = {
        "the same report": (words, {}, words, {}),
        "different metrics": (words, {}, labels, {}),
        "different claims": (words, {}, words, {"plan__claim": "KNOWLEDGE"}),
        "different things": (words, {}, words, {"exam__root": "s" * 64, "models__base": {"digest": "o" * 64}}),
        "do not hold the same items": (words, {}, words, {"items__id": words["items"]["id"][::-1]}),
        "Too few documents": (words, {}, trial(0.2, 0.8, documents=1).record, {"exam__root": "s" * 64}),
    }
    for why, (one, changed, other, also_changed) in cases.items():
        found = contrast_reports(kept("a", one, **changed), kept("b", other, **also_changed))
        assert found.contrast is None
        assert why in found.why_not


def test_edited_or_missing_evidence_is_refused(trial, kept, tmp_path):
    path = kept("a", trial(0.2, 0.8).record)
    with pytest.raises(NotFoundError):
        contrast_reports(path, tmp_path / "nowhere")
    path.write_bytes(path.read_bytes().replace(b'"look":{"alpha":0.025', b'"look":{"alpha":0.026'))
    with pytest.raises(UserError, match="edited"):
        contrast_reports(path, path)
