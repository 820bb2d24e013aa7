"""The files of a ReportDir."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from luthier.artifacts.tables import write_table
from luthier.evaluate.arms import Arm
from luthier.evaluate.metrics.units import item_metric
from luthier.evaluate.report.card import card
from luthier.evaluate.report.evidence import EVIDENCE, Observed, evidence_bytes
from luthier.evaluate.report.learnt import Learnt
from luthier.evaluate.report.page import render_page
from luthier.records import Item

ANSWER_SCHEMA = pa.schema(
    [
        ("item", pa.string()),
        ("arm", pa.string()),
        ("text", pa.string()),
        ("ended", pa.bool_()),
        ("score", pa.float64()),
        ("prompt_tokens", pa.int32()),
        ("answer_tokens", pa.int32()),
    ]
)


def write_report(
    folder: Path, record: Mapping[str, Any], observed: Observed, *, learnt: Learnt | None = None, texts: bool = True
) -> None:
    """Write evidence.json, plan.json, report.html (with or without texts), answers.parquet and card.md."""
    (folder / EVIDENCE).write_bytes(evidence_bytes(record))
    (folder / "plan.json").write_bytes(orjson.dumps(record["plan"], option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    faced = observed.facing(str(record["plan"]["against"]))
    (folder / "report.html").write_bytes(render_page(record, faced, learnt=learnt, texts=texts))
    (folder / "card.md").write_text(card(record), encoding="utf-8")
    write_table(folder / "answers.parquet", _answers(observed), schema=ANSWER_SCHEMA)


def _answers(observed: Observed) -> list[dict[str, Any]]:
    asked = [(observed.items, observed.arms)]
    asked += [(one.items, one.arms) for one in observed.further]
    return [row for items, arms in asked for name, arm in arms.items() for row in _answered(items, name, arm)]


def _answered(items: Sequence[Item], name: str, arm: Arm) -> Iterator[dict[str, Any]]:
    metric = item_metric(arm.scores)
    for place, item in enumerate(items):
        answer = {"text": arm.texts[place], "ended": arm.ended[place], "score": arm.scores[metric][place]}
        asked, answered = arm.tokens[place] if arm.tokens is not None else (None, None)
        yield {"item": item.id, "arm": name, **answer, "prompt_tokens": asked, "answer_tokens": answered}
