"""A judge: another model says which of two answers is better. It must prove itself first, and decides nothing."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from luthier.config import secret
from luthier.errors import UserError
from luthier.evaluate.compare import Figure, sample_of, score_of
from luthier.evaluate.config import JudgeConfig
from luthier.evaluate.planted import KINDS, OF_EACH, planted_pairs
from luthier.evaluate.statistics.cross_fit import widen
from luthier.evaluate.statistics.logit import logit_intercept
from luthier.records import Item, Listener, Tick

LEAST_RIGHT, LEAST_OF_KIND = 0.8, 0.6
"""Shares of the planted pairs, and of each kind of them, that a judge must get right."""
ASKED = """Two assistants answered the same question. Which answer is better: more correct, complete and clear?
Longer is not better. If both are equally good, say tie.

Question:
{question}

Answer A:
{first}

Answer B:
{second}

Reply with one word: A, B or tie."""
WORD = re.compile(r"\b(A|B|[Tt]ie|TIE)\b")
SAYS = {"a": 1.0, "b": 0.0, "tie": 0.5}
SECONDS = 120.0
"""For one reply."""


@dataclass(slots=True)
class Judge:
    """A model behind an OpenAI-compatible endpoint."""

    config: JudgeConfig
    unreadable: int = field(default=0, init=False)
    """Replies that named neither an answer nor a tie; they count as ties."""

    def better(self, question: str, first: str, second: str) -> float:
        """1 if the first answer is better, 0 if the second, .5 if the judge says so or changes its mind with the order.

        Raises UserError if the endpoint does not answer.
        """
        if first == second:
            return 0.5
        ahead, behind = self._say(question, first, second), self._say(question, second, first)
        return ahead if ahead == 1 - behind else 0.5

    def _say(self, question: str, first: str, second: str) -> float:
        reply = self._ask(ASKED.format(question=question, first=first, second=second))
        named = {word.lower() for word in WORD.findall(reply)}
        # "A tie" is one; a reply that weighs both answers says neither.
        said = "tie" if "tie" in named else "".join(sorted(named))
        self.unreadable += said not in SAYS
        return SAYS.get(said, 0.5)

    def _ask(self, prompt: str) -> str:
        body = {"model": self.config.model, "messages": [{"role": "user", "content": prompt}], "temperature": 0}
        key = secret(self.config.key_variable) if self.config.key_variable is not None else None
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
        place = urlsplit(self.config.address)
        connect = HTTPSConnection if place.scheme == "https" else HTTPConnection
        connection = connect(place.hostname or "", place.port, timeout=SECONDS)
        try:
            connection.request("POST", f"{place.path.rstrip('/')}/chat/completions", json.dumps(body), headers)
            answer = connection.getresponse()
            told = answer.read()
            if answer.status != 200:
                raise UserError(f"evaluate.judge: {self.config.address} answered {answer.status}: {told[:200]!r}")
            return str(json.loads(told)["choices"][0]["message"]["content"])
        except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
            raise UserError(f"evaluate.judge: {self.config.address} gave no answer ({error}). Check it.") from None
        finally:
            connection.close()


def calibrate(config: JudgeConfig, *, seed: int, listener: Listener) -> dict[str, Any]:
    """The judge's model and, by kind, how many planted pairs it gets right; the start of the evidence's `judge`."""
    listener(Tick("evaluate", 0, 0, f"the judge {config.model} is asked about pairs whose better answer is known"))
    judge, right = Judge(config), dict.fromkeys(KINDS, 0)
    for pair in planted_pairs(seed):
        wanted = 0.5 if pair.kind == "verbose" else 1.0
        right[pair.kind] += judge.better(pair.question, pair.better, pair.worse) == wanted
    return {"model": config.model, "planted": right, "planted_unreadable": judge.unreadable}


def may_judge(planted: Mapping[str, int]) -> bool:
    """Whether so many right ones are enough: 80 of 100, and 15 of the 25 of each kind."""
    enough = [planted[kind] >= LEAST_OF_KIND * OF_EACH for kind in KINDS]
    return all(enough) and sum(planted.values()) >= LEAST_RIGHT * OF_EACH * len(KINDS)


def compare_answers(
    config: JudgeConfig, items: Sequence[Item], *, base: Sequence[str], tuned: Sequence[str], listener: Listener
) -> dict[str, Any]:
    """Columns `item` (place in the exam), `won` by the tuned model (1, .5, 0) and `longer`, ln of lengths + 1.

    The first `config.items` items in the exam's order, which is that of their ids.
    """
    judge, chosen = Judge(config), range(min(config.items, len(items)))
    won = []
    for place in chosen:
        listener(Tick("judge", place, len(chosen)))
        won.append(judge.better(items[place].messages[-1].content, tuned[place], base[place]))
    longer = [math.log((len(tuned[place]) + 1) / (len(base[place]) + 1)) for place in chosen]
    return {"item": list(chosen), "won": won, "longer": longer, "unreadable": judge.unreadable}


def judge_figures(record: Mapping[str, Any]) -> dict[str, Any]:
    """`judge`: planted pairs it got right, the win rate by document and at equal length; empty if none was asked."""
    told = record.get("judge")
    if told is None:
        return {}
    found: dict[str, Any] = {
        "model": told["model"],
        "right": sum(told["planted"].values()),
        "planted": dict(told["planted"]),
        "on": may_judge(told["planted"]),
        "win_rate": None,
        "at_equal_length": None,
    }
    if found["on"]:
        found |= _rates(told, record)
    return {"judge": found}


def _rates(told: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Figure | None]:
    alpha = record["plan"]["alpha"]
    document = [record["items"]["document"][place] for place in told["item"]]
    folds = record["plan"].get("folds", 0)
    sample = sample_of(document, ["judged"] * len(document), weights={"judged": 1.0}, folds=folds)
    if not sample.can_be_measured:
        return {}
    share_N, longer_N = np.array(told["won"], float), np.array(told["longer"], float)
    line = logit_intercept(share_N, longer_N, document_N=sample.document, alpha=alpha)
    level = None
    if line is not None:
        line = widen(line, by=sample.widening, alpha=alpha)
        value, low, high = (1 / (1 + math.exp(-each)) for each in (line.value, line.low, line.high))
        level = {"value": value, "low": low, "high": high, "log_odds": line.value, "se": line.se, "df": line.df}
    return {"win_rate": score_of(told["won"], sample=sample, alpha=alpha), "at_equal_length": level}
