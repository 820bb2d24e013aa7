"""What stops a model that answers better: reciting, giving away what it read, an exam that training could read."""

import dataclasses

import numpy as np
import pytest
from evaluate_trials import answers, general_text, make_items, make_setting
from scipy.stats import binom

from luthier.evaluate.canaries import rank_of
from luthier.evaluate.exposure import exposed
from luthier.evaluate.memorise import memorised, memorised_gate
from luthier.evaluate.overfit import fit, fit_gate
from luthier.evaluate.past_best import in_words
from luthier.evaluate.report.evidence import Observed, assemble
from luthier.evaluate.statistics.clustered import Gain
from luthier.evaluate.statistics.contrast import contrast_between
from luthier.evaluate.statistics.fieller import ratio
from luthier.evaluate.statistics.jackknife import log_ratio_of_documents


def columns(saved: float, *, documents: int = 30, noise: float = 0.05, seed: int = 0) -> dict[str, list]:
    """Rows whose answers cost about `saved` nats a byte less than before, two to a document."""
    random = np.random.default_rng(seed)
    sizes = random.integers(20, 60, 2 * documents)
    base = sizes * random.uniform(1.0, 3.0, len(sizes))
    tuned = base - sizes * (saved + random.normal(0, noise, len(sizes)))
    names = [f"{seed}-{place // 2}" for place in range(len(sizes))]
    return {"document": names, "bytes": sizes.tolist(), "base_nats": base.tolist(), "tuned_nats": tuned.tolist()}


def sets(train: float, test: float, *, documents: int = 30) -> dict[str, dict[str, list]]:
    """What TRAIN, VAL and TEST gained."""
    gains = {"TRAIN": train, "VAL": test, "TEST": test}
    return {name: columns(gain, documents=documents, seed=seed) for seed, (name, gain) in enumerate(gains.items())}


@pytest.mark.parametrize(
    ("train", "test", "is_better", "state"),
    [
        (0.8, 0.7, False, "HEALTHY"),
        (0.8, -0.3, False, "OVERFIT"),  # (a) new questions got harder
        (0.8, 0.1, False, "OVERFIT"),  # (c) an eighth of what was learnt holds
        (0.8, 0.1, True, "HEALTHY"),  # a better model does not recite, however well it knows TRAIN
        (0.8, -0.3, True, "UNPROVEN"),
        (0.0, 0.0, False, "UNPROVEN"),
    ],
)
def test_what_is_learnt_must_hold_for_documents_never_seen(train, test, is_better, state):
    gate = fit_gate(fit(sets(train, test), unit="byte"), None, is_better=is_better)
    assert gate["state"] == state
    assert ("advice" in gate) == (state == "OVERFIT")


def test_few_documents_prove_nothing():
    assert fit_gate(fit(sets(0.8, -0.3, documents=4), unit="byte"), None, is_better=False)["state"] == "UNPROVEN"
    figure = memorised(sets(0.8, 0.0, documents=4), {})
    assert memorised_gate(figure, blocks=True)["state"] == "UNPROVEN"
    assert fit({}, unit="byte") is None


def test_training_documents_that_stand_out_are_memorised_and_others_are_not():
    told, unseen = memorised(sets(0.8, 0.0), {}), memorised(sets(0.5, 0.5), {})
    assert told["low"] > 0.9
    assert memorised_gate(told, blocks=False)["state"] == "MEMORISED"
    assert unseen["low"] < 0.5 < unseen["high"]
    assert memorised_gate(unseen, blocks=True)["state"] == "NOT SEEN"


def test_a_share_lies_where_its_contrast_is_nothing():
    first, second = (Gain(value, se, df, 0.0, 0.0) for value, se, df in ((0.3, 0.05, 20.0), (0.9, 0.1, 15.0)))
    found = ratio(first, second, alpha=0.05)
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(1 / 3)
    for end, name in ((found.low, "low"), (found.high, "high")):
        between = contrast_between(first, second, times=end, alpha=0.05)
        reach = 1.753050355692555 * between.se  # t(15, .95)
        assert abs(between.value) == pytest.approx(reach, rel=1e-9), name
    assert ratio(first, Gain(0.1, 0.1, 15.0, 0.0, 0.0), alpha=0.05).low is None


def trial(base, tuned, *, likelihood=None, flagged=(), blocks=False, ships=None, **exam):
    """A record of given answers."""
    items = make_items(40, 5)
    setting = make_setting(items)
    models = {**setting.models, "tuned": {**setting.models["tuned"], **({"ships": ships} if ships else {})}}
    plan = {**setting.plan, "memorised_blocks": blocks}
    setting = dataclasses.replace(setting, exam={**setting.exam, **exam}, plan=plan, models=models)
    arms = (answers(items, right) for right in (base, tuned))
    chosen = {items[place].id for place in flagged}
    return assemble(setting, Observed(items, *arms, (), general_text() | (likelihood or {}), flagged=chosen))


RIGHT = np.arange(200) % 10 != 0
WRONG = np.arange(200) % 3 == 0


def test_reciting_stops_a_model_without_a_gain():
    record = trial(WRONG, WRONG, likelihood=sets(0.8, -0.3))
    assert record["gates"]["overfit"]["state"] == "OVERFIT"
    assert record["verdict"]["verdict"] == "DON'T SHIP"
    assert "recites" in record["verdict"]["reasons"][0]
    assert "epochs" in record["verdict"]["remedy"]


def against_best(rise, *, documents=30, lost=0, told=True):
    """Validation rows of a model that needs `rise` more bits than its best checkpoint, and loses `lost` answers."""
    random = np.random.default_rng(3)
    best = random.uniform(20, 60, 2 * documents)
    right = [1.0] * len(best) if told else [None] * len(best)
    worse = [float(place >= lost) for place in range(len(best))] if told else right
    names = [f"v{place // 2}" for place in range(len(best))]
    shipped = best * np.exp(rise + random.normal(0, 0.01, len(best)))
    nats = {"best_nats": best.tolist(), "shipped_nats": shipped.tolist()}
    return {"VAL-SHIPPED": {"document": names, **nats, "best_right": right, "shipped_right": worse}}


@pytest.mark.parametrize(
    ("found", "scale", "state"),
    [
        (against_best(0.1, lost=20), 1.0, "OVERFIT"),  # (b) harder, and fewer right
        (against_best(0.1, told=False), 1.0, "OVERFIT"),  # likelihood is all that it is judged by
        (against_best(0.1, lost=1), 1.0, "HEALTHY"),
        (against_best(-0.1, lost=20), 1.0, "HEALTHY"),
        (against_best(0.1, lost=20), 0.5, "HEALTHY"),  # less of it ships, which is no reciting
        (against_best(0.1, lost=20, documents=5), 1.0, "HEALTHY"),  # too few to say
        (against_best(0.008, lost=20), 1.0, "UNPROVEN"),  # worse, by less than 1 %
    ],
)
def test_a_model_that_went_past_its_best_checkpoint_is_overfit(found, scale, state):
    record = trial(WRONG, RIGHT, likelihood=sets(0.8, 0.7) | found, ships={"best": False, "scale": scale})
    assert record["gates"]["overfit"]["state"] == state
    assert record["verdict"]["verdict"] == ("DON'T SHIP" if state == "OVERFIT" else "SHIP")
    if state == "OVERFIT":
        assert "past its best" in record["verdict"]["reasons"][0]
        assert "earlier step" in record["verdict"]["remedy"]


def test_the_best_checkpoint_is_not_worse_than_itself():
    told = trial(WRONG, RIGHT, likelihood=sets(0.8, 0.7), ships={"best": True, "scale": 1.0})["figures"]["past_best"]
    assert (told["value"], told["measured"]) == (0.0, False)
    assert "best on validation" in in_words(told)
    unknown = trial(WRONG, RIGHT, likelihood=sets(0.8, 0.7), ships={"best": None, "scale": 1.0})
    assert unknown["figures"]["past_best"] is None
    assert unknown["gates"]["overfit"]["state"] == "HEALTHY"


def test_a_log_ratio_of_sums_has_the_error_of_its_jackknife():
    random = np.random.default_rng(1)
    below = random.uniform(20, 60, 400)
    above = below * np.exp(random.normal(0.05, 0.2, 400))
    found = log_ratio_of_documents(above, below, alpha=0.05)
    left_out = np.log((above.sum() - above) / (below.sum() - below))
    spread = np.sqrt(399 / 400 * ((left_out - left_out.mean()) ** 2).sum())
    assert found.value == pytest.approx(np.log(above.sum() / below.sum()), rel=1e-12)
    assert found.se == pytest.approx(spread, rel=0.01)
    assert (found.df, found.high - found.value) == (399, pytest.approx(1.648681534 * found.se, rel=1e-6))


def test_what_is_unproven_of_fitting_stops_nothing():
    record = trial(WRONG, RIGHT, likelihood=sets(0.0, 0.0))
    assert record["gates"]["overfit"]["state"] == "UNPROVEN"
    assert record["verdict"]["verdict"] == "SHIP"


@pytest.mark.parametrize(("blocks", "verdict"), [(False, "SHIP"), (True, "INCONCLUSIVE")])
def test_memorising_stops_a_model_only_where_the_plan_says_so(blocks, verdict):
    record = trial(WRONG, RIGHT, likelihood=sets(0.8, 0.2), blocks=blocks)
    assert record["gates"]["memorised"]["state"] == "MEMORISED"
    assert record["verdict"]["verdict"] == verdict


def planted(ranks):
    """24 canaries with these ranks; the others in the middle."""
    rank = [*ranks, *(512 for _ in range(24 - len(ranks)))]
    names = [f"canary-{number:02}" for number in range(24)]
    return {"id": names, "repeats": [1, 4, 16] * 8, "fillers": [1024] * 24, "rank": rank}


@pytest.mark.parametrize(
    ("ranks", "state"), [((1, 4), "MEMORISED"), ((1, 5), "NOT SEEN"), ((1,), "NOT SEEN"), ((), "NOT SEEN")]
)
def test_two_planted_secrets_that_are_given_away_are_memorised(ranks, state):
    figure = memorised(sets(0.5, 0.5), planted(ranks))
    assert figure["canaries"]["reached"] == sum(rank <= 4 for rank in ranks)
    assert memorised_gate(figure, blocks=False)["state"] == state
    few = memorised(sets(0.5, 0.5, documents=4), planted(ranks))
    assert memorised_gate(few, blocks=False)["state"] == ("MEMORISED" if state == "MEMORISED" else "UNPROVEN")


def test_exposure_is_that_of_the_secret_sharer():
    figure = exposed(planted([1, 2, 4, 1024]))
    assert figure["exposure"]["1"] == pytest.approx((10 + 0 + 6 * 1) / 8)
    assert figure["exposure"]["4"] == pytest.approx((9 + 7 * 1) / 8)
    assert exposed({}) is None
    nats = np.random.default_rng(0).permutation(1024).astype(float)
    assert sorted(rank_of(nats, place) for place in range(1024)) == list(range(1, 1025))
    assert rank_of([1.0] * 1024, 3) == 1024  # a model that tells nothing apart gives nothing away
    # Two of 24 by chance: the binomial of secrets whose rank is any.
    assert binom.sf(1, 24, 4 / 1024) < 0.005 < binom.sf(0, 24, 4 / 1024) < 0.1


def test_a_gain_on_questions_asked_in_training_in_other_words_is_dirty():
    flagged = range(0, 200, 5)  # one of every document
    inside = np.isin(np.arange(200), flagged)
    free, closed = ({"items": 200, "right": 0, "free": kind} for kind in (True, False))
    record = trial(np.zeros(200, dtype=bool), inside, flagged=flagged, copied=free)
    assert record["figures"]["flagged"]["value"] == 1.0
    assert record["gates"]["clean"]["state"] == "DIRTY"
    labels = trial(np.zeros(200, dtype=bool), inside, flagged=flagged, copied=closed)["gates"]["clean"]
    assert labels["state"] == "CLEAN"
    assert "closed set" in labels["reasons"][1]
    even = trial(WRONG, RIGHT, flagged=flagged, copied=free)
    assert even["gates"]["clean"]["state"] == "CLEAN"
    few = trial(np.zeros(200, dtype=bool), np.arange(200) == 3, flagged=[3])
    assert few["figures"]["flagged"]["low"] is None
    assert "too few to compare" in few["gates"]["clean"]["reasons"][1]


@pytest.mark.parametrize(("free", "state"), [(True, "UNPROVEN"), (False, "CLEAN")])
def test_an_exam_that_copying_solves_is_unproven_and_does_not_ship(free, state):
    record = trial(WRONG, RIGHT, copied={"items": 200, "right": 60, "free": free})
    assert record["gates"]["clean"]["state"] == state
    assert record["verdict"]["verdict"] == ("INCONCLUSIVE" if free else "SHIP")
