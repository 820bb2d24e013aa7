"""What an answer of each arm costs in tokens, which are the same on every machine."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from luthier.evaluate.report import plots, words
from luthier.evaluate.report.parts import Cell, Figure, Section, Table

ELSEWHERE = Markup(
    "Seconds, memory and money differ from run to run, so they are not part of the evidence: <code>luthier show</code> "
    "tells those of this run."
)


def costs(record: Mapping[str, Any]) -> Section | None:
    """Tokens read and written for an answer, arm by arm, the dearest first; None where nothing is written."""
    found = record["figures"].get("cost", {})
    if not found:
        return None
    ordered = sorted(found, key=lambda arm: -_both(found[arm]))
    most = max(map(_both, found.values()))
    rivals = [name for name in next(iter(found.values()))["saved"]]
    head = ("Way", "Reads", "Writes", "Longest 5 %", *(f"Saves against {name}" for name in rivals), "Tokens in all")
    rows = []
    for arm in ordered:
        figure = found[arm]
        saved = [f"{figure['saved'][name]:+,.0f}" if name != arm else "-" for name in rivals]
        plot = plots.share(_both(figure) / most, kind="tuned" if arm.startswith("tuned") else "base")
        numbers = [f"{figure[name]:,.0f}" for name in ("prompt_tokens", "answer_tokens", "answer_tokens_p95")]
        rows.append((Cell(words.SHORT[arm]), *map(Cell, [*numbers, *saved]), Cell(plot, "spark")))
    table = Table("Tokens of an answer", head, tuple(rows), numbers=tuple(range(1, 4 + len(rivals))))
    return Section("What an answer costs", (Figure(_meaning(found), table=table),), (ELSEWHERE,))


def _both(figure: Mapping[str, Any]) -> float:
    return float(figure["prompt_tokens"] + figure["answer_tokens"])


def _meaning(found: Mapping[str, Mapping[str, Any]]) -> str:
    told = "Tokens that the model reads and writes for one answer, on average: time and money grow with them"
    others = {name: _both(figure) for name, figure in found.items() if not name.startswith("tuned")}
    if "tuned" not in found or not others:
        return f"{told}."
    times = {name: both / _both(found["tuned"]) for name, both in others.items()}
    name, most = max(times.items(), key=lambda one: one[1])
    if most < 1.05:
        return f"{told}. Training did not make answers dearer or much cheaper; judge by the gain alone."
    return (
        f"{told}. {words.SHORT[name]} takes {most:.1f} times as many as the tuned model: weigh that against its score."
    )
