"""Tasks beside the one that decides: what the model can do there."""

from collections.abc import Iterator, Mapping
from typing import Any

from luthier.evaluate.metrics.units import gain_words, interval_words, score_words
from luthier.evaluate.report import words
from luthier.evaluate.report.parts import Cell, Figure, Section, Table
from luthier.evaluate.report.rivals import READING, reading

TASKS = {
    "complete": "how much the text of documents surprises it",
    "cloze": "which of four terms goes on a text that breaks off",
    "definition": "which of four definitions belongs to a term",
    "order": "which of four sentences goes on",
    "table": "which of four values a cell holds, or which row the most",
    "number": "what number stands in a cell",
}
MEANING = (
    "Questions made from your documents without a model, each with its right answer. They do not decide: they say "
    "what the gain above is good for. A task without an interval has too few documents."
)
INSTEAD = (
    "The same questions, answered in other ways by the base: where a way is marked better, facts are better looked up "
    "than learnt. Open book is given the very text that a question was made from, the most that any search could reach."
)
RIVALS = ("Task", "Rival", "Reads", "Reaches", "Gain over it", "Reading")
HEAD = ("Task", "Documents", "Items", "Base", "Tuned", "Right: base, tuned", "Gain", "Reading")


def further(record: Mapping[str, Any]) -> Section | None:
    """Every further task, if there is one."""
    found = record["figures"].get("further", [])
    if not found:
        return None
    table = Table("Other tasks of this exam", HEAD, tuple(_row(one, record) for one in found), numbers=(1, 2, 3, 4, 5))
    figures = [Figure(MEANING, table=table)]
    known = [one for one in found if one["claim"] == "KNOWLEDGE"]
    rows = tuple(_rival(one, name, record) for one in known for name in one["rivals"])
    if rows:
        told = Table("Other ways to answer them", RIVALS, rows, numbers=(2, 3, 4))
        figures.append(Figure(INSTEAD, table=told, title="Facts of documents that were trained on, in other ways"))
    return Section("What else it can do", tuple(figures), tuple(_absent(record)))


def _row(one: Mapping[str, Any], record: Mapping[str, Any]) -> tuple[Cell, ...]:
    metric, gain = one["metric"], one["gain"]
    told = f"{TASKS[one['task']]}, on documents {words.CLAIMS[one['claim']]}: {words.METRICS[metric]}"
    right = [score_words(one[arm].get("accuracy"), "accuracy") for arm in ("base", "tuned")]
    return (
        Cell(told),
        Cell(f"{one['documents']:,}"),
        Cell(f"{one['n']:,}"),
        *(Cell(score_words(one[arm][metric], metric)) for arm in ("base", "tuned")),
        Cell(", ".join(right)),
        Cell("-" if gain is None else f"{gain_words(gain['value'], metric)} ({interval_words(gain, metric)})"),
        _reading(one, alpha=record["look"]["alpha"]),
    )


def _absent(record: Mapping[str, Any]) -> Iterator[str]:
    """Ways that were not asked, and why."""
    for row in record["plan"]["further"]:
        for name, why in row.get("not_asked", {}).items():
            yield f"{words.SHORT[name]} was not asked {TASKS[row['task']]}: {why}."


def _rival(one: Mapping[str, Any], name: str, record: Mapping[str, Any]) -> tuple[Cell, ...]:
    metric, rival = one["metric"], one["rivals"][name]
    told, kind = READING[reading(rival, alpha=record["look"]["alpha"])]
    gain = rival["gain"]
    return (
        Cell(TASKS[one["task"]]),
        Cell(words.SHORT[name]),
        Cell(f"{one['cost'][name]['prompt_tokens']:,.0f} tokens"),
        Cell(score_words(rival["value"], metric)),
        Cell(f"{gain_words(gain['value'], metric)} ({interval_words(gain, metric)})"),
        Cell(told, kind),
    )


def _reading(one: Mapping[str, Any], *, alpha: float) -> Cell:
    gain = one["gain"]
    if gain is None or gain["low"] is None:
        return Cell("too few documents")
    if gain["low"] > 0 and one["adjusted"] <= alpha:
        return Cell("the tuned model is better", "right")
    return Cell("the tuned model is worse", "wrong") if gain["high"] < 0 else Cell("not told apart")
