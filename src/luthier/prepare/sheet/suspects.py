"""The part of the sheet that a person should look at: labels, poison, outliers, and the exam's rewordings."""

from typing import TYPE_CHECKING, Any

from luthier.prepare.candidate import text_of
from luthier.prepare.label.noise import Noise

if TYPE_CHECKING:
    from luthier.prepare.sheet.numbers import Account

SHOWN = 20
EXCERPT = 160


def look_at(account: "Account") -> dict[str, Any]:
    """Reports with places, largest suspicion first; nothing of this was acted on, but for conflicts in the exam."""
    findings, divided = account.findings, account.divided
    at = {one.id: one.at for one in account.gathered.kept}
    return {
        "orders": [{"at": at[one.id], "kind": one.kind, "text": one.excerpt} for one in findings.orders[:SHOWN]],
        "triggers": [
            {
                "phrase": one.phrase,
                "answer": one.answer,
                "lift": one.lift,
                "company": one.company,
                "rows": len(one.rows),
                "first": [at[row] for row in one.rows[:3]],
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
                "unusual": [{"at": at[row], "value": value, "z": z} for row, value, z in one.unusual[:5]],
            }
            for one in findings.quality
        ],
        "outliers": [{"at": at[row], "distance": far, "z": z} for row, far, z in findings.outliers[:SHOWN]],
        "relevance": [{"at": at[row], "score": score} for row, score in findings.relevance],
        "labels": _noise(findings.noise, at),
        "conflicts": [
            {
                "at": [at[row] for row in one.ids],
                "labels": list(one.labels),
                "jaccard": one.jaccard,
                "suggestion": one.suggestion,
            }
            for one in findings.conflicts[:SHOWN]
        ],
        "alike": _alike(account),
        "reworded": [
            {"item": one.item, "at": one.at, "similarity": one.similarity}
            for one in sorted(divided.reworded, key=lambda one: (-one.similarity, one.item))[:SHOWN]
        ],
        "likelihood": _likelihood(account),
        "copy_baseline": {
            "items": divided.copied.items,
            "right": divided.copied.right,
            "text": not any(item.messages for item in divided.items),
            "closed_set_of_answers": divided.copied.closed,
        },
    }


def _alike(account: "Account") -> list[dict[str, Any]]:
    """Pairs with their texts; of an exam item only that it is one."""
    exam = {row["id"] for row in account.divided.splits if row["part"] == "exam"}
    rows = {one.id: one for one in account.gathered.kept}
    found = []
    for pair in account.findings.alike:
        both = [rows[pair.left], rows[pair.right]]
        texts = ["(an exam item)" if one.id in exam else text_of(one.example)[:EXCERPT] for one in both]
        found.append({"at": [one.at for one in both], "texts": texts, "similarity": pair.similarity})
    return found


def _likelihood(account: "Account") -> dict[str, Any] | None:
    """What the base made of the training rows, with what is learnt of them; None unless a setting asked for it."""
    found, wording = account.likelihoods, account.wording
    if found is None:
        return None
    rows = {row.id: row for row in account.divided.train}

    def shown(row_id: str) -> dict[str, str]:
        row = rows[row_id]
        learnt = [token for token, is_learnt in zip(row.ids, row.trained, strict=True) if is_learnt]
        return {"at": row.at, "text": wording.decode(learnt)[:EXCERPT]}

    return {
        "read": found.read,
        "of": found.of,
        "median": found.median,
        "unusual": None
        if found.unusual is None
        else {
            "setting": "prepare.clean.likelihood: true",
            "rows": len(found.unusual),
            "first": [{**shown(row), "nats_per_byte": value, "z": z} for row, value, z in found.unusual[:SHOWN]],
        },
        "unhelpful": None
        if found.unhelpful is None
        else {
            "setting": "prepare.clean.helpful_questions: true",
            "rows": len(found.unhelpful),
            "first": [{**shown(row), "ratio": ratio} for row, ratio in found.unhelpful[:SHOWN]],
        },
    }


def _noise(noise: Noise | None, at: dict[str, str]) -> dict[str, Any] | None:
    if noise is None:
        return None
    suspects = [
        {
            "at": at[one.id],
            "label": one.label,
            "suggestion": one.suggestion,
            "confidence": one.confidence,
            "suggested": one.suggested,
        }
        for one in noise.suspects[:SHOWN]
    ]
    return {"examined": noise.examined, "suspects": len(noise.suspects), "why_not": noise.why_not, "first": suspects}
