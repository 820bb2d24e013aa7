"""An independent recomputation: evidence.json, numpy and scipy, and none of our statistics."""

import json
import math

import numpy as np
import pytest
from scipy import stats


def recompute(evidence):
    """Delta, SE, df, low, high of a one-task exam, one loop per formula."""
    items = evidence["items"]
    metric = evidence["plan"]["primary"]
    difference = np.array(evidence["scores"]["tuned"][metric]) - np.array(evidence["scores"]["base"][metric])
    documents = sorted(set(items["document"]))
    n = len(difference)
    delta = sum(difference) / n
    variance, sizes = 0.0, []
    for document in documents:
        mine = [d for d, name in zip(difference, items["document"], strict=True) if name == document]
        sizes.append(len(mine))
        variance += (sum(mine) - len(mine) * delta) ** 2 / (1 - len(mine) / n)
    se = math.sqrt(variance) / n
    size = np.array(sizes, dtype=float)
    share = size / n
    x = 1 / (n * np.sqrt(1 - share))
    independent = np.diag(x**2 * size) - n * np.outer(x * share, x * share)
    m = np.diag(x * size) - np.outer(x * share, size)
    df = min(np.trace(gamma) ** 2 / (gamma**2).sum() for gamma in (independent, m @ m.T))
    reach = stats.t.ppf(1 - evidence["look"]["alpha"], df) * se
    return {"value": delta, "se": se, "df": df, "low": delta - reach, "high": delta + reach}


@pytest.mark.parametrize("seed", range(5))
def test_an_independent_script_gets_the_same_numbers(trial, tmp_path, seed):
    path = tmp_path / "evidence.json"
    made = trial(0.3, 0.6, documents=25, seed=seed, look=1 + seed % 2, uneven=True).record
    path.write_text(json.dumps(made))
    evidence = json.loads(path.read_text())
    found = evidence["figures"]["gain"]
    assert found["interval"] == "CR2, Satterthwaite"
    assert found["df"] < 23
    for name, value in recompute(evidence).items():
        assert found[name] == pytest.approx(value, rel=1e-9), name


def test_retention_is_a_plain_t_interval(trial):
    evidence = trial(0.3, 0.6, ratio=1.003).record
    columns, found = evidence["likelihood"]["GEN-TEST"], evidence["figures"]["retention"]
    ratio = -np.log(np.array(columns["tuned_nats"]) / np.array(columns["base_nats"]))
    interval = stats.ttest_1samp(ratio, 0).confidence_interval(0.90)
    assert found["value"] == pytest.approx(ratio.mean(), rel=1e-9)
    assert (found["low"], found["high"]) == pytest.approx((interval.low, interval.high), rel=1e-9)
