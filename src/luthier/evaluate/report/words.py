"""Numbers of a report in words, the same way everywhere."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from luthier.evaluate.arms import BM25, BOTH, FEW_SHOT, IN_WORDS, OPEN_BOOK, RETRIEVAL
from luthier.evaluate.metrics.units import BITS, RELATIVE, gain_words, interval_words, score_words
from luthier.models.spans import entity_of
from luthier.records import Item

METRICS = {
    "exact_match": "exact match",
    "token_f1": "token F1",
    "span_f1": "entity span F1",
    "macro_f1": "macro-F1",
    "p_gold": "probability of the right option",
    "numeric_match": "numeric match",
    "accuracy": "accuracy",
    **BITS,
    "win_rate": "win rate",
    "pair_accuracy": "pair accuracy",
    "ndcg_10": "nDCG@10",
    "spearman": "Spearman's rank correlation",
}
CLAIMS = {"SKILL": "never trained on", "KNOWLEDGE": "that were trained on, asked without them"}
"""Which documents a claim is about."""
EXPLAINED = {
    "win_rate": " A pair is won if training raised the likelihood of its better answer by more than that of its worse; "
    "no change counts half."
}
"""What a metric is, where its name does not say it."""
SHORT = {
    "base": "Base",
    "linear probe": "Probe",
    FEW_SHOT: "Few-shot",
    RETRIEVAL: "Retrieval",
    BOTH: "Tuned + retrieval",
    OPEN_BOOK: "Open book",
    BM25: "BM25",
    "tuned": "Tuned",
}
"""Names at the start of a line."""
PLAIN = {
    "SHIP": "Use the tuned model: it does this work better than what it was compared with, and passed every condition.",
    "DON'T SHIP": "Do not use the tuned model: it failed at least one condition.",
    "INCONCLUSIVE": "This exam cannot tell whether the tuned model should be used.",
}
"""A verdict for somebody who reads nothing else."""
TERMS = (
    ("Base and tuned", "the model before your data was learnt, and after"),
    ("Exam item", "one question whose right answer is known and which was never learnt from"),
    ("Document", "what items were cut from; items of one document rise and fall together, so documents are counted"),
    ("Gain", "what the tuned model reaches minus what the other reaches, on the same items; 1 point is 1 item in 100"),
    ("Interval", "the range that holds the true value unless this exam was unlucky; narrower with more documents"),
    ("p", "how often a model that is no better would look at least this good by luck alone"),
    ("Bits per byte", "how much text surprises a model: the fewer, the better it knows such text"),
)
"""What a reader may not know."""
RIVALS = {
    "base": "the model before training, asked as it is",
    FEW_SHOT: "the base, shown similar training examples first",
    RETRIEVAL: "the base, given passages that a word search finds",
    BOTH: "the tuned model, given passages that a word search finds",
    OPEN_BOOK: "the base, given the very passage that the question is about: the best that any search could do",
    BM25: "a word search without any model",
}
"""Other ways to do the work, for people."""
LONGEST = 400
"""Characters of a text that are shown."""


def between(figure: Mapping[str, Any], metric: str) -> str:
    """Interval of one arm's score, inside what is possible, or that there is none."""
    if figure["low"] is None:
        return "no interval"
    if metric in RELATIVE:
        return f"{figure['low']:.3f} to {figure['high']:.3f}"
    return f"{100 * max(0.0, figure['low']):.1f} to {100 * min(1.0, figure['high']):.1f}"


def change(log_ratio: float) -> str:
    """A log ratio as a change: 0.01 -> '+1.01 %'."""
    return f"{100 * math.expm1(log_ratio):+.2f} %"


def level(alpha: float) -> str:
    """Two-sided level of an interval with alpha on each side: 0.025 -> '95 %'."""
    return f"{100 * (1 - 2 * alpha):.3g} %"


def tied(text: str) -> str:
    """Keep a number and its percent sign, and 'p = ...', on one line."""
    return text.replace(" %", "\u00a0%").replace("p = ", "p\u00a0=\u00a0")


def cut(text: str) -> str:
    """A text in a table."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: 'A', 'A and B', 'A, B and C'."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def readable(item: Item, text: str) -> str:
    """A gold or an answer as a person reads it: entities by their words."""
    if item.options:
        return text.partition(": ")[2] or text
    if item.task != "tag":
        return text
    asked = item.messages[0].content
    found = [entity_of(line) for line in text.splitlines()]
    return "; ".join(f"{asked[each.start : each.end]} ({each.label})" for each in found) or "no entity"


def _known(plan: Mapping[str, Any]) -> str:
    """What the models knew of the exam's documents."""
    if plan.get("folds"):
        return (
            f"(each answered by one of {plan['folds']} models trained without it; what ships learnt from all of them)"
        )
    return CLAIMS[plan["claim"]]


def lead(record: Mapping[str, Any]) -> str:
    """The result in one or two sentences."""
    figures, plan = record["figures"], record["plan"]
    if "gain" not in figures:
        return "The exam is too small to measure a gain."
    gain = figures["gain"]
    metric = METRICS[plan["primary"]]
    size = f"{gain['n']:,} sealed items from {gain['documents']:,} documents {_known(plan)}"
    rival = IN_WORDS[plan["against"]]
    arms = [score_words(figures[arm]["value"], plan["primary"]) for arm in ("tuned", "base")]
    if plan["primary"] in RELATIVE:
        return (
            f"On {size}, the tuned model needs {arms[0]}, the {rival} {arms[1]}: "
            f"{gain_words(gain['value'], plan['primary'])} ({level(record['look']['alpha'])} interval "
            f"{interval_words(gain, plan['primary'])}). Fewer bits mean less surprise by what it has never read."
        )
    interval = f"{level(record['look']['alpha'])} interval {interval_words(gain, plan['primary'])}"
    return (
        f"On {size}, the tuned model reaches {arms[0]} {metric}, the {rival} {arms[1]}: "
        f"{gain_words(gain['value'], plan['primary'])} ({interval}).{EXPLAINED.get(plan['primary'], '')}"
    )
