"""`POST /luthier/v1/extract`: the stretch of a context that answers a question."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from luthier.models.extract import Pointer
from luthier.serve.host import Host

router = APIRouter()


class Question(BaseModel):
    """What is asked of which text."""

    question: str
    context: str


class ExtractRequest(BaseModel):
    """One question or several."""

    input: Question | Annotated[list[Question], Field(min_length=1, max_length=2048)]
    model: str | None = None


@router.post("/luthier/v1/extract")
async def extract(body: ExtractRequest, request: Request) -> dict[str, Any]:
    """The answer to every question, as Unicode code points [start, end) of its context; null if there is none."""
    host: Host = request.app.state.host
    if body.model is not None:
        host.router.find(body.model)
    asked = [body.input] if isinstance(body.input, Question) else body.input
    found = await host.extract([(each.question, each.context) for each in asked])
    return {
        "object": "list",
        "model": body.model or next(iter(host.router.routes)),
        "data": [
            {"index": index, "object": "extraction", "answer": _shown(pointer, each.context)}
            for index, (pointer, each) in enumerate(zip(found, asked, strict=True))
        ],
    }


def _shown(pointer: Pointer | None, context: str) -> dict[str, Any] | None:
    if pointer is None:
        return None
    start, end = pointer.start, pointer.end
    return {"start": start, "end": end, "text": context[start:end], "score": pointer.score}
