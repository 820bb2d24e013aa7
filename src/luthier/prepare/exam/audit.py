"""A sheet on which a person says whether made items are answerable and sensible."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from luthier.artifacts.canonical import hash_order
from luthier.records import Item

AUDIT = "audit.csv"
SHOWN = 50
COLUMNS = ("item", "claim", "task", "at", "question", "options", "answer", "is it sensible? yes/no", "why not")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings that a spreadsheet would run."""


def write_audit(path: Path, items: Sequence[Item]) -> None:
    """Write up to 50 items, drawn by hash; no file if there is none. Reading them is a look at the exam."""
    drawn = sorted(items, key=lambda item: hash_order(item.id))[:SHOWN]
    if not drawn:
        return
    text = io.StringIO()
    sheet = csv.writer(text, lineterminator="\n")
    sheet.writerow(COLUMNS)
    for item in drawn:
        asked = "\n".join(turn.content for turn in item.messages)
        said = (item.id, item.claim, item.task, item.at, asked, " | ".join(item.options), " | ".join(item.golds))
        sheet.writerow([f"'{cell}" if cell.startswith(FORMULA) else cell for cell in said] + ["", ""])
    path.write_text(text.getvalue(), encoding="utf-8")
