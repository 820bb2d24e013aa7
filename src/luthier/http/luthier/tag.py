"""`POST /luthier/v1/tag`: entities with scores, and where they stand."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from luthier.models.spans import Named
from luthier.serve.host import Host

router = APIRouter()


class TagRequest(BaseModel):
    """One text or several."""

    input: str | Annotated[list[str], Field(min_length=1, max_length=2048)]
    model: str | None = None


@router.post("/luthier/v1/tag")
async def tag(body: TagRequest, request: Request) -> dict[str, Any]:
    """The entities of every text in order, as Unicode code points [start, end)."""
    host: Host = request.app.state.host
    if body.model is not None:
        host.router.find(body.model)
    texts = [body.input] if isinstance(body.input, str) else body.input
    found = await host.tag(texts)
    return {
        "object": "list",
        "model": body.model or next(iter(host.router.routes)),
        "data": [
            {"index": index, "object": "entities", "entities": [_shown(each, text) for each in named]}
            for index, (named, text) in enumerate(zip(found, texts, strict=True))
        ],
    }


def _shown(named: Named, text: str) -> dict[str, Any]:
    start, end = named.entity.start, named.entity.end
    return {"start": start, "end": end, "text": text[start:end], "label": named.entity.label, "score": named.score}
