"""Vectors over HTTP, asked for by OpenAI's own client."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from fake_engine import EchoEngine, byte_wording
from hypothesis import given
from hypothesis import strategies as st
from test_http_chat import client_of, served

from luthier.errors import UserError
from luthier.records import Worded
from luthier.serve.host import Host
from luthier.serve.router import Router

TEXTS = ["first text", "a second", "Zürich"]


@pytest.fixture(scope="module")
def engine() -> EchoEngine:
    return EchoEngine(objective="embed")


@pytest.fixture(scope="module")
def address(engine: EchoEngine) -> Iterator[str]:
    with served(engine) as where:
        yield where


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[openai.OpenAI]:
    with client_of(address) as one:
        yield one


def vectors(answer: openai.types.CreateEmbeddingResponse) -> np.ndarray:
    assert [row.index for row in answer.data] == list(range(len(answer.data)))
    return np.array([row.embedding for row in answer.data])


def test_the_client_gets_the_vectors_of_the_engine_in_order(engine: EchoEngine, client: openai.OpenAI) -> None:
    rows = [engine.wording.text_ids(text) for text in TEXTS]
    answer = client.embeddings.create(model="desk", input=TEXTS)
    assert np.allclose(vectors(answer), engine.embed(rows, adapter=True), atol=1e-6)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == sum(map(len, rows))
    base = client.embeddings.create(model="hf:org/base", input=TEXTS)
    assert np.allclose(vectors(base), engine.embed(rows, adapter=False), atol=1e-6)


def test_all_shapes_of_input_mean_the_same(engine: EchoEngine, client: openai.OpenAI) -> None:
    ids = list(engine.wording.text_ids(TEXTS[0]))
    inputs: list[Any] = [TEXTS[0], [TEXTS[0]], ids, [ids]]
    found = [vectors(client.embeddings.create(model="desk", input=one, encoding_format="float")) for one in inputs]
    assert all(np.array_equal(one, found[0]) for one in found[1:])


def test_fewer_dimensions_are_scaled_again(engine: EchoEngine, client: openai.OpenAI) -> None:
    whole = vectors(client.embeddings.create(model="desk", input=TEXTS))
    short = vectors(client.embeddings.create(model="desk", input=TEXTS, dimensions=2))
    assert np.allclose(short, whole[:, :2] / np.linalg.norm(whole[:, :2], axis=1, keepdims=True), atol=1e-6)
    with pytest.raises(openai.BadRequestError, match="4 dimensions"):
        client.embeddings.create(model="desk", input=TEXTS, dimensions=5)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"input": ""}, "empty"),
        ({"input": ["a", ""]}, "text 1 is empty"),
        ({"input": []}, "input"),
        ({"input": [[]]}, "input"),
        ({"input": [9999]}, "ids of no token"),
        ({"input": "x" * 600}, "600 tokens"),
        ({"input": "x", "rounds": 3}, "rounds"),
    ],
)
def test_what_cannot_be_read_is_refused(address: str, asked: dict[str, Any], told: str) -> None:
    answer = httpx2.post(f"{address}/v1/embeddings", json={"model": "desk", **asked})
    assert answer.status_code == 400
    assert told in answer.json()["error"]["message"]


def test_chat_and_vectors_send_each_other_on(address: str) -> None:
    question = {"model": "desk", "messages": [{"role": "user", "content": "x"}]}
    refused = httpx2.post(f"{address}/v1/chat/completions", json=question)
    assert (refused.status_code, "/v1/embeddings" in refused.json()["error"]["message"]) == (400, True)
    unknown = httpx2.post(f"{address}/v1/embeddings", json={"model": "nobody", "input": "x"})
    assert unknown.status_code == 404


class Listens(EchoEngine):
    """Notes which ids it is asked about."""

    def embed(self, rows: Any, *, adapter: bool) -> np.ndarray:
        self.heard = [tuple(row) for row in rows]
        return super().embed(rows, adapter=adapter)


@given(st.lists(st.text(min_size=1, max_size=20), min_size=2, max_size=4))
def test_texts_are_served_as_the_ids_that_were_trained(texts: list[str]) -> None:
    wording = byte_wording()
    parts = [wording.text_ids(text) for text in texts]
    ends = tuple(int(end) for end in np.cumsum([len(part) for part in parts]))
    row = Worded("r", "g", "a", tuple(token for part in parts for token in part), (), ends=ends)
    listening = Listens(objective="embed")
    host = Host(listening, router=Router(tuned="desk", base=None), fingerprint="f", created=0)
    try:
        asyncio.run(embedded(host, texts))
    finally:
        host.close()
    assert tuple(listening.heard) == row.texts


async def embedded(host: Host, texts: list[str]) -> None:
    await host.embed("desk", texts)


def test_a_writer_makes_no_vectors() -> None:
    host = Host(EchoEngine(), router=Router(tuned="desk", base=None), fingerprint="f", created=0)
    try:
        with pytest.raises(UserError, match="/v1/chat/completions"):
            asyncio.run(embedded(host, ["x"]))
    finally:
        host.close()
