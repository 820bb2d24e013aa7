"""The part of the sheet that a person should look at: labels, poison, outliers, and the exam's rewordings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from luthier.prepare.candidate import Candidate, text_of
from luthier.prepare.findings import Findings
from luthier.prepare.label.noise import Noise

if TYPE_CHECKING:
    from luthier.prepare.sheet.numbers import Account

SHOWN = 20
EXCERPT = 160
EXAMINED = "(an exam item)"


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows by id, as the sheet shows them."""

    kept: dict[str, Candidate]
    exam: frozenset[str]

    def at(self, row: str) -> str:
        """Place of a row."""
        return self.kept[row].at

    def shown(self, row: str) -> dict[str, Any]:
        """Place and text of a row; of an exam item only that it is one."""
        one = self.kept[row]
        return {"at": one.at, "text": EXAMINED if row in self.exam else excerpt(text_of(one.example))}


def excerpt(text: str, *, characters: int = EXCERPT) -> str:
    """The beginning of a text."""
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def look_at(account: "Account") -> dict[str, Any]:
    """Reports with places, largest suspicion first; nothing of this was acted on, but for conflicts in the exam.

    Lists hold the first 20; `counts` says how many there are.
    """
    findings, divided = account.findings, account.divided
    exam = frozenset(row["id"] for row in divided.splits if row["part"] == "exam")
    rows = _Rows({one.id: one for one in account.gathered.kept}, exam)
    return {
        "counts": {
            "orders": len(findings.orders),
            "outliers": len(findings.outliers),
            "conflicts": len(findings.conflicts),
            "reworded": len(divided.reworded),
        },
        **_of_texts(findings, rows),
        "labels": _noise(findings.noise, rows),
        "conflicts": [
            {
                "rows": [rows.shown(row) for row in one.ids],
                "labels": list(one.labels),
                "jaccard": one.jaccard,
                "suggestion": one.suggestion,
            }
            for one in findings.conflicts[:SHOWN]
        ],
        "reworded": _reworded(account),
        "likelihood": _likelihood(account),
        "copy_baseline": {
            "items": divided.copied.items,
            "right": divided.copied.right,
            "text": not any(item.messages for item in divided.items),
            "closed_set_of_answers": divided.copied.closed,
        },
    }


def _of_texts(findings: Findings, rows: _Rows) -> dict[str, Any]:
    """Reports that need no labels."""
    return {
        "orders": [{"at": rows.at(one.id), "kind": one.kind, "text": one.excerpt} for one in findings.orders[:SHOWN]],
        "triggers": [
            {
                "phrase": one.phrase,
                "answer": one.answer,
                "lift": one.lift,
                "company": one.company,
                "rows": len(one.rows),
                "first": [rows.shown(row) for row in one.rows[:3]],
            }
            for one in findings.triggers
        ],
        "quality": [
            {
                "score": one.score,
                "low": one.low,
                "median": one.median,
                "high": one.high,
                "beyond": one.beyond,
                "unusual": [{"at": rows.at(row), "value": value, "z": z} for row, value, z in one.unusual[:5]],
            }
            for one in findings.quality
        ],
        "outliers": [{**rows.shown(row), "distance": far, "z": z} for row, far, z in findings.outliers[:SHOWN]],
        "relevance": [{**rows.shown(row), "score": score} for row, score in findings.relevance],
        "alike": [
            {"rows": [rows.shown(one.left), rows.shown(one.right)], "similarity": one.similarity}
            for one in findings.alike
        ],
    }


def _reworded(account: "Account") -> list[dict[str, Any]]:
    places = {item.id: item.at for item in account.divided.items}
    found = sorted(account.divided.reworded, key=lambda one: (-one.similarity, one.item))[:SHOWN]
    return [
        {"item": one.item, "item_at": places[one.item], "at": one.at, "similarity": one.similarity} for one in found
    ]


def _likelihood(account: "Account") -> dict[str, Any] | None:
    """What the base made of the training rows, with what is learnt of them; None unless a setting asked for it."""
    found = account.likelihoods
    if found is None:
        return None
    read: dict[str, Any] = {
        "read": found.read,
        "of": found.of,
        "median": found.median,
        "unusual": None,
        "unhelpful": None,
    }
    if found.unusual is not None:
        first = [{**_learnt(account, row), "nats_per_byte": value, "z": z} for row, value, z in found.unusual[:SHOWN]]
        read["unusual"] = {"setting": "prepare.clean.likelihood: true", "rows": len(found.unusual), "first": first}
    if found.unhelpful is not None:
        first = [{**_learnt(account, row), "ratio": ratio} for row, ratio in found.unhelpful[:SHOWN]]
        setting = "prepare.clean.helpful_questions: true"
        read["unhelpful"] = {"setting": setting, "rows": len(found.unhelpful), "first": first}
    return read


def _learnt(account: "Account", row_id: str) -> dict[str, str]:
    row = next(row for row in account.divided.train if row.id == row_id)
    learnt = [token for token, is_learnt in zip(row.ids, row.trained, strict=True) if is_learnt]
    return {"at": row.at, "text": excerpt(account.wording.decode(learnt))}


def _noise(noise: Noise | None, rows: _Rows) -> dict[str, Any] | None:
    if noise is None:
        return None
    suspects = [
        {
            **rows.shown(one.id),
            "label": one.label,
            "suggestion": one.suggestion,
            "confidence": one.confidence,
            "suggested": one.suggested,
        }
        for one in noise.suspects[:SHOWN]
    ]
    return {"examined": noise.examined, "suspects": len(noise.suspects), "why_not": noise.why_not, "first": suspects}
