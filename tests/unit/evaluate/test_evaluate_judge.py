"""Judges behind real local servers: one that reads what it judges, and some that do not."""

import json
import math
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import statsmodels.api as sm
from evaluate_trials import make_trial

from luthier.artifacts.canonical import sha256_of
from luthier.errors import UserError
from luthier.evaluate.config import JudgeConfig
from luthier.evaluate.judge import Judge, calibrate, compare_answers, judge_figures, may_judge
from luthier.evaluate.planted import KINDS, planted_pairs
from luthier.evaluate.report.evidence import evidence_bytes
from luthier.evaluate.statistics.logit import logit_intercept
from luthier.evaluate.verify import verify
from luthier.records import nobody_listens

ASKED = re.compile(r"Question:\n(.*?)\n\nAnswer A:\n(.*?)\n\nAnswer B:\n(.*?)\n\nReply", re.DOTALL)
Rule = Callable[[str, str, str], str]


def careful(question: str, first: str, second: str) -> str:
    """Works out the number itself, and wants it with the steps in their order."""
    had, came, left = (int(number) for number in re.findall(r"\d+", question)[:3])

    def worth(answer: str) -> int:
        return (f"So {had + came - left} " in answer) + (f"began with {had} and received {came}" in answer)

    ahead = worth(first) - worth(second)
    return "A tie." if ahead == 0 else "A" if ahead > 0 else "B"


def longest(question: str, first: str, second: str) -> str:
    """Likes many words."""
    return "A" if len(first) > len(second) else "B" if len(second) > len(first) else "tie"


RULES: dict[str, Rule] = {
    "careful": careful,
    "longest": longest,
    "first": lambda question, first, second: "A",
    "talks": lambda question, first, second: "Answer A has merits, and so has B.",
    "right": lambda question, first, second: "A" if "know" in second else "B" if "know" in first else "tie",
}


class _Room(BaseHTTPRequestHandler):
    """Answers like an OpenAI-compatible server; the model's name is the rule."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        found = ASKED.search(body["messages"][0]["content"])
        known = body["model"] in RULES and self.path == "/v1/chat/completions" and found is not None
        said = RULES[body["model"]](*found.groups()) if known else "no such model"
        reply = json.dumps({"choices": [{"message": {"role": "assistant", "content": said}}]}).encode()
        self.send_response(200 if known else 404)
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Room) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_planted_pairs_are_25_of_each_kind_and_differ_as_they_should():
    pairs = planted_pairs(0)
    assert {kind: sum(pair.kind == kind for pair in pairs) for kind in KINDS} == dict.fromkeys(KINDS, 25)
    assert pairs == planted_pairs(0) != planted_pairs(1)
    for pair in pairs:
        numbers = [set(re.findall(r"\d+", answer)) for answer in (pair.better, pair.worse)]
        assert pair.better != pair.worse
        assert (sorted(pair.better.split()) == sorted(pair.worse.split())) == (pair.kind == "shuffled")
        assert (numbers[0] == numbers[1]) == (pair.kind in {"shuffled", "verbose"})
        assert pair.better.startswith(pair.worse) == (pair.kind == "truncated")


@pytest.mark.parametrize(
    ("rule", "right", "fit"),
    [
        ("careful", {"truncated": 25, "wrong number": 25, "shuffled": 25, "verbose": 25}, True),
        ("longest", {"truncated": 25, "wrong number": 0, "shuffled": 0, "verbose": 0}, False),
        ("first", {"truncated": 0, "wrong number": 0, "shuffled": 0, "verbose": 25}, False),
        ("talks", {"truncated": 0, "wrong number": 0, "shuffled": 0, "verbose": 25}, False),
    ],
)
def test_only_a_judge_that_reads_may_judge(address, rule, right, fit):
    proof = calibrate(JudgeConfig(address=address, model=rule), seed=0, listener=nobody_listens)
    # Another number can have another length, which is all that `longest` sees.
    right = {**right, "wrong number": proof["planted"]["wrong number"]} if rule == "longest" else right
    assert proof == {"model": rule, "planted": right, "planted_unreadable": 200 if rule == "talks" else 0}
    assert may_judge(proof["planted"]) is fit


def test_four_fifths_are_needed_and_three_fifths_of_each_kind():
    assert may_judge(dict(zip(KINDS, (25, 25, 15, 15), strict=True)))
    assert not may_judge(dict(zip(KINDS, (25, 25, 15, 14), strict=True)))
    assert not may_judge(dict(zip(KINDS, (25, 25, 25, 14), strict=True)))


def test_the_judged_answers_go_into_evidence_that_can_be_verified_and_change_no_verdict(address, tmp_path):
    trial = make_trial(0.4, 0.8)
    config = JudgeConfig(address=address, model="right", items=90)
    texts = {"base": trial.observed.base.texts, "tuned": trial.observed.tuned.texts}
    told = compare_answers(config, trial.observed.items, **texts, listener=nobody_listens)
    scores = trial.record["scores"]
    wanted = [
        (b - a + 1) / 2 for a, b in zip(scores["base"]["exact_match"], scores["tuned"]["exact_match"], strict=True)
    ]
    assert told["won"] == wanted[:90]
    assert told["longer"][0] == math.log((len(texts["tuned"][0]) + 1) / (len(texts["base"][0]) + 1))
    # In these answers the right ones are always the shorter ones.
    told["longer"] = np.random.default_rng(0).normal(size=90).tolist()
    proof = {"model": "right", "planted": dict.fromkeys(KINDS, 20), "planted_unreadable": 0}
    judged = make_trial(0.4, 0.8, advisory={"judge": proof | told}).record
    assert judged["verdict"] == trial.record["verdict"]
    figure = judged["figures"]["judge"]
    assert (figure["on"], figure["right"]) == (True, 80)
    assert figure["win_rate"]["value"] == pytest.approx(np.mean(wanted[:90]))
    assert figure["win_rate"]["low"] > 0.5 < figure["at_equal_length"]["low"]
    (tmp_path / "evidence.json").write_bytes(evidence_bytes(judged))
    assert verify(tmp_path / "evidence.json") == []
    judged["judge"]["won"][0] = 0.5 if judged["judge"]["won"][0] != 0.5 else 1.0
    judged["sha256"] = sha256_of({key: value for key, value in judged.items() if key != "sha256"})
    (tmp_path / "evidence.json").write_bytes(evidence_bytes(judged))
    assert any("figures.judge" in problem for problem in verify(tmp_path / "evidence.json"))


def test_a_judge_that_failed_has_no_win_rate():
    record = {"judge": {"model": "m", "planted": dict.fromkeys(KINDS, 10), "planted_unreadable": 0}}
    assert judge_figures(record)["judge"] == {
        "model": "m", "right": 40, "planted": dict.fromkeys(KINDS, 10), "on": False,
        "win_rate": None, "at_equal_length": None,
    }  # fmt: skip
    assert judge_figures({}) == {}


@pytest.mark.parametrize(("path", "said"), [("/v1", "404"), (":1/v1", "no answer")])
def test_an_endpoint_that_does_not_answer_is_told(address, path, said):
    judge = Judge(JudgeConfig(address=re.sub(r":\d+/v1$", path, address) if said != "404" else address, model="none"))
    with pytest.raises(UserError, match=said):
        judge.better("q", "one", "two")


def test_the_intercept_agrees_with_statsmodels():
    random = np.random.default_rng(0)
    for trial in range(20):
        document = np.sort(np.concatenate([np.arange(12), random.integers(0, 12, 60)]))
        x = random.normal(size=72)
        share = (
            random.choice([0, 0.5, 1], size=72, p=[0.3, 0.2, 0.5]) if trial % 2 else (x + random.normal(size=72) > 0)
        )
        found = logit_intercept(share.astype(float), x, document_N=document, alpha=0.025)
        model = sm.GLM(share.astype(float), sm.add_constant(x), family=sm.families.Binomial())
        known = model.fit(tol=1e-13, cov_type="cluster", cov_kwds={"groups": document})
        assert found.value == pytest.approx(known.params[0], rel=1e-7, abs=1e-9)
        assert found.se == pytest.approx(known.bse[0], rel=1e-7)


def test_no_intercept_where_length_alone_tells_who_wins():
    x = np.linspace(-1, 1, 20)
    assert logit_intercept((x > 0).astype(float), x, document_N=np.arange(20), alpha=0.025) is None
    assert logit_intercept(np.ones(20), x, document_N=np.arange(20), alpha=0.025) is None
