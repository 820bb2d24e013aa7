"""`POST /v1/chat/completions`, streamed and not."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from luthier.http.errors import body_of
from luthier.http.openai.wire import ChatRequest, delta_choice, full_choice, usage
from luthier.serve.host import Host, Talk
from luthier.serve.pieces import Piece
from luthier.serve.worker import Items

HEARTBEAT = 15.0
"""Seconds of silence after which a stream sends a comment, so that proxies keep it open."""
log = logging.getLogger(__name__)
router = APIRouter()


@router.post("/v1/chat/completions", response_model=None)
async def complete(body: ChatRequest, request: Request) -> Response:
    """Answer a conversation with the named model."""
    host: Host = request.app.state.host
    ignored = body.ignored()
    headers = {"x-luthier-ignored": ", ".join(ignored)} if ignored else {}
    head = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "created": int(time.time()),
        "model": body.model,
        "service_tier": "default",
        "system_fingerprint": host.fingerprint,
    }
    talk = host.talk(body.model, body.records(), body.wish())
    if body.stream:
        counted = body.stream_options is not None and body.stream_options.include_usage
        events = _events(talk, {**head, "object": "chat.completion.chunk"}, counted=counted)
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)
    answer = await _whole(talk, request)
    return JSONResponse({**head, "object": "chat.completion", **answer}, headers=headers)


async def _whole(talk: Talk, request: Request) -> dict[str, Any]:
    parts: list[Piece] = []
    async with aclosing(talk.pieces) as pieces:
        async for piece in pieces:
            parts.append(piece)
            if await request.is_disconnected():
                break
    last = parts[-1]
    text = "".join(piece.text for piece in parts)
    counts = usage(prompt=talk.prompt_tokens, completion=last.tokens)
    return {"choices": [full_choice(text, last.finish or "stop")], "usage": counts}


async def _events(talk: Talk, head: dict[str, Any], *, counted: bool) -> AsyncIterator[bytes]:
    try:
        async with aclosing(talk.pieces) as pieces:
            async for event in _chunks(talk, pieces, head, counted):
                yield event
    except Exception as error:
        # The status has been sent: a failure can only be told inside the stream.
        log.exception("a stream failed")
        yield _event(body_of(error)[1])


async def _chunks(talk: Talk, pieces: Items[Piece], head: dict[str, Any], counted: bool) -> AsyncIterator[bytes]:
    each: dict[str, Any] = {**head, "usage": None} if counted else head
    tokens = 0
    yield _event({**each, "choices": [delta_choice({"role": "assistant", "content": "", "refusal": None})]})
    async for piece in _with_heartbeat(pieces):
        if piece is None:
            yield b": waiting\n\n"
            continue
        tokens = piece.tokens
        if piece.text:
            yield _event({**each, "choices": [delta_choice({"content": piece.text})]})
        if piece.finish is not None:
            yield _event({**each, "choices": [delta_choice({}, piece.finish)]})
    if counted:
        yield _event({**head, "choices": [], "usage": usage(prompt=talk.prompt_tokens, completion=tokens)})
    yield b"data: [DONE]\n\n"


async def _with_heartbeat(pieces: Items[Piece]) -> AsyncIterator[Piece | None]:
    """The pieces, and None for every `HEARTBEAT` seconds of silence."""
    while True:
        following = asyncio.ensure_future(anext(pieces, None))
        try:
            while not (await asyncio.wait({following}, timeout=HEARTBEAT))[0]:
                yield None
            piece = following.result()
        finally:
            following.cancel()
        if piece is None:
            return
        yield piece


def _event(content: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(content) + b"\n\n"
