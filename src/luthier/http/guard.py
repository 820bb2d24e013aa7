"""What every request passes: the Host check against DNS rebinding, the size limit, and the headers of an answer."""

import time
import uuid
from collections.abc import Sequence

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luthier.http.errors import error_body

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
MAX_BODY = 8 * 2**20
"""Bytes of a JSON body."""


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str] = LOOPBACK) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began = time.monotonic()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_headers(began)]
            await send(message)

        if _name_of(headers.get("host", "")) not in self._hosts:
            return await _refuse(send_with_headers, 403, "This Host is not served here. Use 127.0.0.1 or localhost.")
        if not 0 <= _number(headers.get("content-length", "0")) <= MAX_BODY or "transfer-encoding" in headers:
            return await _refuse(send_with_headers, 413, f"A body needs a content-length of at most {MAX_BODY} bytes.")
        return await self._app(scope, receive, send_with_headers)


def _name_of(host: str) -> str:
    """The name in a Host header without its port; `[::1]` keeps its brackets."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1


def _headers(began: float) -> list[tuple[bytes, bytes]]:
    took = round((time.monotonic() - began) * 1000)
    return [
        (b"x-request-id", f"req_{uuid.uuid4().hex}".encode()),
        (b"openai-processing-ms", str(took).encode()),
        (b"openai-version", b"2020-10-01"),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
    ]


async def _refuse(send: Send, status: int, message: str) -> None:
    body = orjson.dumps(error_body(message, status=status))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
