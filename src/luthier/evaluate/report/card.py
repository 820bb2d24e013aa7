"""The evaluation part of a model card, in Markdown; every number is one of the evidence."""

from collections.abc import Iterator, Mapping
from typing import Any

from luthier.evaluate.arms import IN_WORDS
from luthier.evaluate.metrics.units import gain_words, interval_words, score_words
from luthier.evaluate.report import words
from luthier.evaluate.report.conditions import MARKS, reason_kinds

SHOWS = {
    "SKILL": "skill on documents it was never trained on (form, terms, style, judgement); not whether it knows facts "
    "of documents that nobody shows it",
    "KNOWLEDGE": "facts of documents it was trained on, asked without the document; not skill on new documents",
}
"""What each claim shows and does not show."""


def card(record: Mapping[str, Any]) -> str:
    """Verdict, numbers with intervals, what it was compared with, limits, costs, and how to verify."""
    verdict = record["verdict"]
    parts = [
        ["## Evaluation", "", f"**{verdict['verdict']}**. {words.PLAIN[verdict['verdict']]} {words.lead(record)}"],
        ["\n>\n".join(f"> {line}" for line in verdict["advice"])] if verdict["advice"] else [],
        [*_conditions(record), *(f"- ! {caveat}" for caveat in verdict["caveats"])],
        [f"What to do: {verdict['remedy']}"],
        _scores(record),
        ["### Limits", "", *_limits(record)],
        _costs(record),
        ["### How to verify", "", *_how_to_verify(record)],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _conditions(record: Mapping[str, Any]) -> list[str]:
    kinds = reason_kinds(record)
    return [f"- {MARKS[kinds[reason]]} {reason}" for reason in record["verdict"]["reasons"]]


def _scores(record: Mapping[str, Any]) -> list[str]:
    """Every way to do the work, with what the tuned model gains over it."""
    figures, plan = record["figures"], record["plan"]
    if "gain" not in figures:
        return []
    metric = plan["primary"]
    interval = f"interval ({words.level(record['look']['alpha'])})"
    head = f"| way | {words.METRICS[metric]} | {interval} | gain of the tuned model over it | {interval} |"
    lines = ["### What it was compared with", "", head, "|---|---|---|---|---|"]
    compared = {plan["against"]: {**figures["base"], "gain": figures["gain"]}, **figures.get("rivals", {})}
    for name, figure in compared.items():
        gain = figure["gain"]
        over = f"{gain_words(gain['value'], metric)} | {interval_words(gain, metric)}"
        lines.append(f"| {IN_WORDS[name]} | {_score(figure, metric)} | {over} |")
    return [*lines, f"| **tuned** | {_score(figures['tuned'], metric)} | | |"]


def _score(figure: Mapping[str, Any], metric: str) -> str:
    return f"{score_words(figure['value'], metric)} | {words.between(figure, metric)}"


def _limits(record: Mapping[str, Any]) -> Iterator[str]:
    plan, verdict, look = record["plan"], record["verdict"], record["look"]
    yield f"- This exam shows {SHOWS[plan['claim']]}."
    if verdict["mde"] is not None:
        seen = gain_words(verdict["mde"], plan["primary"]).lstrip("+")
        yield f"- It finds a true gain of {seen} or more four times in five; smaller ones may exist and stay unseen."
    else:
        yield "- What gain it would have seen cannot be said: too few documents, or too few differences."
    for one in record["figures"].get("answerable", ()):
        if one["decides"]:
            yield f"- Given its own source, the base answers {100 * one['value']:.1f} % of the items of {one['task']}."
    yield from (f"- Not asked: {IN_WORDS[name]}; {why}." for name, why in plan.get("not_asked", {}).items())
    yield f"- It was look {look['number']} at this exam; each look may claim less than the one before."
    yield "- Only what was asked is known: other tasks, other wordings and other languages were not."


def _costs(record: Mapping[str, Any]) -> list[str]:
    found = record["figures"].get("cost", {})
    if not found:
        return []
    lines = ["### Costs", "", "| way | tokens read | tokens written | longest 5 % |", "|---|---|---|---|"]
    names = ("prompt_tokens", "answer_tokens", "answer_tokens_p95")
    for arm, figure in found.items():
        numbers = " | ".join(f"{figure[name]:,.0f}" for name in names)
        lines.append(f"| {words.SHORT[arm].lower()} | {numbers} |")
    told = "Means for one answer. Time and memory depend on the machine: `luthier show` tells those of the run."
    return [*lines, "", told]


def _how_to_verify(record: Mapping[str, Any]) -> Iterator[str]:
    yield "`luthier verify` recomputes every number here from `evidence.json`, offline, and says what it cannot know."
    yield ""
    hashes = {
        "evidence": record["sha256"],
        "plan": record["plan_sha256"],
        "exam": record["exam"]["root"],
        "base": record["models"]["base"]["digest"],
        "tuned": record["models"]["tuned"]["digest"],
        "ledger of looks": record["look"]["line"],
    }
    yield from (f"- {name} `{value}`" for name, value in hashes.items())
