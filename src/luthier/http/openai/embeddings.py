"""`POST /v1/embeddings`: a vector of each text."""

import base64
import struct
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from luthier.http.errors import BadParameterError
from luthier.serve.host import Host

router = APIRouter()
MOST = 2048
"""Texts of one request."""
Ids = Annotated[list[int], Field(min_length=1)]


class EmbeddingsRequest(BaseModel):
    """A text or several, as they are or as the model's own token ids."""

    model_config = ConfigDict(extra="forbid")

    model: str
    input: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=MOST)]
        | Ids
        | Annotated[list[Ids], Field(min_length=1, max_length=MOST)]
    )
    dimensions: Annotated[int, Field(ge=1)] | None = None
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = None

    def texts(self) -> list[str | list[int]]:
        """The texts, one by one."""
        if isinstance(self.input, str):
            return [self.input]
        ids = [token for token in self.input if isinstance(token, int)]
        return [ids] if ids else [text for text in self.input if not isinstance(text, int)]


@router.post("/v1/embeddings")
async def embeddings(body: EmbeddingsRequest, request: Request) -> dict[str, Any]:
    """Vectors in the order of the texts; `dimensions` keeps the first ones, scaled to length 1 again."""
    host: Host = request.app.state.host
    found = await host.embed(body.model, body.texts())
    width = len(found.vectors[0])
    if body.dimensions is not None and body.dimensions > width:
        raise BadParameterError(f"the model's vectors have {width} dimensions", param="dimensions")
    vectors = [shortened(vector, body.dimensions) for vector in found.vectors]
    return {
        "object": "list",
        "model": body.model,
        "data": [
            {"object": "embedding", "index": index, "embedding": encoded(vector, body.encoding_format)}
            for index, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": found.tokens, "total_tokens": found.tokens},
    }


def shortened(vector: list[float], dimensions: int | None) -> list[float]:
    """The first numbers of a vector, scaled to length 1; the whole vector as it is."""
    if dimensions is None:
        return vector
    length = sum(value * value for value in vector[:dimensions]) ** 0.5
    return [value / max(length, 1e-12) for value in vector[:dimensions]]


def encoded(vector: list[float], form: Literal["float", "base64"]) -> list[float] | str:
    """Numbers, or float32 in little-endian order as base64."""
    if form == "float":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
