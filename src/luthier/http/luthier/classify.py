"""`POST /luthier/v1/classify`: labels with scores."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from luthier.serve.host import Host

router = APIRouter()


class ClassifyRequest(BaseModel):
    """One text or several."""

    input: str | Annotated[list[str], Field(min_length=1, max_length=2048)]
    model: str | None = None


@router.post("/luthier/v1/classify")
async def classify(body: ClassifyRequest, request: Request) -> dict[str, Any]:
    """The label of every text, and the probability of every label, largest first."""
    host: Host = request.app.state.host
    if body.model is not None:
        host.router.find(body.model)
    texts = [body.input] if isinstance(body.input, str) else body.input
    scores = await host.classify(texts)
    return {
        "object": "list",
        "model": body.model or next(iter(host.router.routes)),
        "data": [_ranked(index, row, host.labels) for index, row in enumerate(scores)],
    }


def _ranked(index: int, scores: list[float], labels: tuple[str, ...]) -> dict[str, Any]:
    ranked = sorted(zip(labels, scores, strict=True), key=lambda pair: (-pair[1], pair[0]))
    return {
        "index": index,
        "object": "classification",
        "label": ranked[0][0],
        "labels": [{"label": label, "score": score} for label, score in ranked],
    }
