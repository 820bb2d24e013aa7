"""`POST /luthier/v1/classify`: labels with scores."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from luthier.serve.host import Host

router = APIRouter()
THRESHOLD = 0.5
"""Probability from which a label is given, as in the exam, where a text can have several."""

Texts = Annotated[list[str], Field(min_length=1, max_length=2)]


class ClassifyRequest(BaseModel):
    """One text or several; a list of two inside a list is two texts that are judged together."""

    input: str | Annotated[list[str | Texts], Field(min_length=1, max_length=2048)]
    model: str | None = None


@router.post("/luthier/v1/classify")
async def classify(body: ClassifyRequest, request: Request) -> dict[str, Any]:
    """The label of every text, and the probability of every label, largest first.

    Where texts can have several labels, `given` holds those that are more likely than not, and `label` the first of
    them or null.
    """
    host: Host = request.app.state.host
    if body.model is not None:
        host.router.find(body.model)
    inputs = [body.input] if isinstance(body.input, str) else body.input
    scores = await host.classify([[each] if isinstance(each, str) else each for each in inputs])
    return {
        "object": "list",
        "model": body.model or next(iter(host.router.routes)),
        "data": [_ranked(index, row, host) for index, row in enumerate(scores)],
    }


def _ranked(index: int, scores: list[float], host: Host) -> dict[str, Any]:
    ranked = sorted(zip(host.labels, scores, strict=True), key=lambda pair: (-pair[1], pair[0]))
    given = [label for label, score in ranked if score >= THRESHOLD] if host.several else [ranked[0][0]]
    return {
        "index": index,
        "object": "classification",
        "label": given[0] if given else None,
        "labels": [{"label": label, "score": score} for label, score in ranked],
        **({"given": given} if host.several else {}),
    }
