"""`GET /v1/models` and `GET /v1/models/{id}`."""

from typing import Any

from fastapi import APIRouter, Request

from luthier.serve.host import Host

router = APIRouter()


@router.get("/v1/models")
async def list_models(request: Request) -> dict[str, Any]:
    """The names that may be asked for."""
    host: Host = request.app.state.host
    return {"object": "list", "data": [_model(name, host) for name in host.router.routes]}


# Names of bases hold slashes and colons.
@router.get("/v1/models/{name:path}")
async def get_model(name: str, request: Request) -> dict[str, Any]:
    """One model."""
    host: Host = request.app.state.host
    return _model(host.router.find(name).name, host)


def _model(name: str, host: Host) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": host.created, "owned_by": "luthier"}
