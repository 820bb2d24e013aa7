"""The application, given a host."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

import luthier
from luthier.http.errors import add_error_handlers
from luthier.http.guard import LOOPBACK, Guard
from luthier.http.luthier import classify, extract, tag
from luthier.http.openai import chat, embeddings, models
from luthier.serve.host import Host


def create_app(host: Host, *, hosts: Sequence[str] = LOOPBACK) -> FastAPI:
    """Routes around one host; `hosts` are the names a request's Host header may carry."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        host.close()

    app = FastAPI(title="Luthier", version=luthier.__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.host = host
    app.add_middleware(Guard, hosts=hosts)
    add_error_handlers(app)
    app.add_api_route("/healthz", healthz, methods=["GET"], response_class=PlainTextResponse)
    for routes in (chat.router, embeddings.router, models.router, classify.router, tag.router, extract.router):
        app.include_router(routes)
    return app


async def healthz() -> str:
    """Says that the server is up, and nothing else."""
    return "ok"
