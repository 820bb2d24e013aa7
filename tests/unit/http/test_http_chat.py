import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import openai
import pytest
import uvicorn
from fake_engine import EchoEngine, byte_wording

from luthier.errors import ConflictError, UserError
from luthier.http.app import create_app
from luthier.http.start import listen
from luthier.records import Message
from luthier.serve.host import Host
from luthier.serve.router import Router


@contextmanager
def served(engine: EchoEngine, *, base: str | None = "hf:org/base") -> Iterator[str]:
    """A uvicorn server on a free port."""
    host = Host(engine, router=Router(tuned="desk", base=base), fingerprint="fp_1", created=1_700_000_000)
    with listen("127.0.0.1", 0) as listening:
        server = uvicorn.Server(uvicorn.Config(create_app(host), log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=20)


@contextmanager
def client_of(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def engine() -> EchoEngine:
    return EchoEngine()


@pytest.fixture(scope="module")
def address(engine: EchoEngine) -> Iterator[str]:
    with served(engine) as where:
        yield where


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[openai.OpenAI]:
    with client_of(address) as made:
        yield made


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_the_client_gets_the_whole_answer_with_counts(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="desk", messages=user("hé🎻"), temperature=0)
    assert answer.choices[0].message.content == "hé🎻"
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.completion_tokens, answer.system_fingerprint) == (7, "fp_1")
    assert answer.usage.prompt_tokens == len(byte_wording().prompt_ids([Message("user", "hé🎻")]))
    assert openai.types.chat.ChatCompletion.model_validate(answer.model_dump(), strict=True)


def test_a_stream_joins_to_the_same_answer_and_ends_with_usage(client: openai.OpenAI) -> None:
    wanted = {"model": "desk", "messages": user("hé🎻 there"), "temperature": 0}
    whole = client.chat.completions.create(**wanted)
    chunks = list(client.chat.completions.create(**wanted, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert len({chunk.id for chunk in chunks}) == 1


def test_the_model_name_chooses_tuned_or_base(client: openai.OpenAI) -> None:
    answers = [
        client.chat.completions.create(model=name, messages=user("abc")).choices[0].message.content
        for name in ("desk", "hf:org/base")
    ]
    assert answers == ["abc", "cba"]


def test_models_are_listed_and_found_by_names_with_slashes(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["desk", "hf:org/base"]
    assert client.models.retrieve("hf:org/base").owned_by == "luthier"
    with pytest.raises(openai.NotFoundError) as failure:
        client.models.retrieve("gpt-9")
    assert failure.value.code == "model_not_found"


def test_limits_stops_and_sampling_are_passed_on(client: openai.OpenAI, engine: EchoEngine) -> None:
    cut = client.chat.completions.create(model="desk", messages=user("abcdef"), max_completion_tokens=3)
    assert (cut.choices[0].message.content, cut.choices[0].finish_reason) == ("abc", "length")
    stopped = client.chat.completions.create(model="desk", messages=user("one. two. three"), stop=[" thr", "two"])
    assert (stopped.choices[0].message.content, stopped.choices[0].finish_reason) == ("one. ", "stop")
    client.chat.completions.create(model="desk", messages=user("a"), temperature=0.3, top_p=0.9, seed=5, max_tokens=9)
    last = engine.samplings[-1]
    assert (last.max_tokens, last.temperature, last.top_p, last.seed) == (9, 0.3, 0.9, 5)
    client.chat.completions.create(model="desk", messages=user("a"))
    assert engine.samplings[-1].temperature == 1.0


def test_text_parts_and_developer_messages_are_understood(client: openai.OpenAI) -> None:
    parts = [{"type": "text", "text": "ab"}, {"type": "text", "text": "c"}]
    messages = [{"role": "developer", "content": "be kind"}, {"role": "user", "content": parts}]
    answer = client.chat.completions.create(model="desk", messages=messages)
    assert answer.choices[0].message.content == "abc"
    worded = byte_wording().prompt_ids([Message("system", "be kind"), Message("user", "abc")])
    assert answer.usage.prompt_tokens == len(worded)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages"),
        ({"n": 2}, "n"),
        ({"temperature": 3}, "temperature"),
        ({"stop": ["a"] * 5}, None),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"logprobs": True}, "logprobs"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": user("x" * 600)}, None),
        ({"messages": user("<end>")}, None),
    ],
)
def test_what_cannot_be_honoured_is_400_in_the_one_shape(
    address: str, body: dict[str, object], param: str | None
) -> None:
    full = {"model": "desk", "messages": user("hi"), **body}
    answer = httpx2.post(f"{address}/v1/chat/completions", json=full)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert param is None or error["param"] == param


def test_hints_and_parameters_without_effect_are_accepted_and_named(address: str) -> None:
    body = {"model": "desk", "messages": user("hi"), "verbosity": "low", "user": "me", "logprobs": False, "tools": []}
    answer = httpx2.post(f"{address}/v1/chat/completions", json=body)
    assert (answer.status_code, answer.headers["x-luthier-ignored"]) == (200, "user, verbosity")
    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("content", ["not json", "[1]", '{"model": "desk"}'])
def test_a_body_that_is_no_request_is_400(address: str, content: str) -> None:
    answer = httpx2.post(
        f"{address}/v1/chat/completions", content=content, headers={"content-type": "application/json"}
    )
    assert (answer.status_code, set(answer.json()["error"])) == (400, {"message", "type", "param", "code"})


def test_unknown_paths_and_methods_answer_in_the_one_shape(address: str) -> None:
    for method, path, status in (("GET", "/v2/x", 404), ("GET", "/v1/chat/completions", 405)):
        answer = httpx2.request(method, address + path)
        assert (answer.status_code, set(answer.json()["error"])) == (status, {"message", "type", "param", "code"})


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "localhost@evil.example"])
def test_a_foreign_host_header_is_refused(address: str, host: str) -> None:
    assert httpx2.get(f"{address}/healthz", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost:1234", "127.0.0.1", "[::1]:80", "LOCALHOST"])
def test_loopback_names_are_served(address: str, host: str) -> None:
    answer = httpx2.get(f"{address}/healthz", headers={"host": host})
    assert (answer.status_code, answer.text) == (200, "ok")


def test_a_body_over_the_limit_is_413(address: str) -> None:
    answer = httpx2.post(f"{address}/v1/chat/completions", content=b" " * (8 * 2**20 + 1))
    assert answer.status_code == 413


def test_a_failing_engine_shows_nothing_of_its_inside_and_the_server_goes_on(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as failure:
        client.chat.completions.create(model="desk", messages=user("explode"))
    assert "secret" not in str(failure.value)
    with pytest.raises(openai.APIError) as failure:
        list(client.chat.completions.create(model="desk", messages=user("explode"), stream=True))
    assert "secret" not in str(failure.value)
    assert client.chat.completions.create(model="desk", messages=user("hi")).choices[0].message.content == "hi"


def test_a_client_that_leaves_frees_the_engine() -> None:
    slow = EchoEngine(delay=0.02, wording=byte_wording(4000))
    with served(slow) as where, client_of(where) as client:
        stream = client.chat.completions.create(model="desk", messages=user("x" * 1500), stream=True)
        next(iter(stream))
        stream.close()
        began = time.monotonic()
        assert client.chat.completions.create(model="desk", messages=user("hi")).choices[0].message.content == "hi"
        assert time.monotonic() - began < 5
        assert slow.live == 0
        assert slow.made < 400
        with pytest.raises(openai.APITimeoutError):
            client.with_options(timeout=0.2).chat.completions.create(model="desk", messages=user("y" * 1500))
        assert client.chat.completions.create(model="desk", messages=user("hi")).choices[0].message.content == "hi"
        assert slow.made < 800


def test_two_clients_at_once_get_their_own_answers(address: str) -> None:
    async def both() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none") as client:
            asked = [
                client.chat.completions.create(model="desk", messages=user(f"question {number}")) for number in range(8)
            ]
            return [answer.choices[0].message.content or "" for answer in await asyncio.gather(*asked)]

    assert asyncio.run(both()) == [f"question {number}" for number in range(8)]


def test_a_classifier_gives_labels_with_scores_and_refuses_chat() -> None:
    with served(EchoEngine(labels=("a", "b", "c"), objective="classify"), base=None) as where:
        answer = httpx2.post(f"{where}/luthier/v1/classify", json={"input": ["four", "seventh"]}).json()
        assert answer["model"] == "desk"
        for row in answer["data"]:
            scores = [label["score"] for label in row["labels"]]
            assert scores == sorted(scores, reverse=True)
            assert sum(scores) == pytest.approx(1)
            assert row["label"] == row["labels"][0]["label"]
        refused = httpx2.post(f"{where}/v1/chat/completions", json={"model": "desk", "messages": user("x")})
        assert (refused.status_code, "classify" in refused.json()["error"]["message"]) == (400, True)
        too_long = httpx2.post(f"{where}/luthier/v1/classify", json={"input": "x" * 600})
        assert too_long.status_code == 400


def test_several_labels_are_given_to_texts_and_pairs() -> None:
    engine = EchoEngine(labels=("a", "b", "c"), objective="classify", several=True)
    with served(engine, base=None) as where:
        answer = httpx2.post(f"{where}/luthier/v1/classify", json={"input": ["four", ["long one", "other"]]}).json()
        assert [row["given"] for row in answer["data"]] == [["a"], ["b", "c", "a"]]
        assert [row["label"] for row in answer["data"]] == ["a", "b"]
        three = httpx2.post(f"{where}/luthier/v1/classify", json={"input": [["one", "two", "three"]]})
        assert three.status_code == 400


def test_a_decoder_refuses_to_classify(address: str) -> None:
    assert httpx2.post(f"{address}/luthier/v1/classify", json={"input": "x"}).status_code == 400


def test_a_tagger_gives_entities_where_they_stand() -> None:
    engine = EchoEngine(labels=("O", "B-X", "I-X"), objective="tag")
    with served(engine, base=None) as where:
        text = "é Ada 7, b (Bo)"
        answer = httpx2.post(f"{where}/luthier/v1/tag", json={"input": [text, "none"]}).json()
        first, second = answer["data"]
        assert [(each["start"], each["end"], each["text"]) for each in first["entities"]] == [
            (2, 7, "Ada 7"),
            (12, 14, "Bo"),
        ]
        assert {each["label"] for each in first["entities"]} == {"X"}
        assert all(each["score"] == pytest.approx(2 / 3) for each in first["entities"])
        assert (second["index"], second["entities"]) == (1, [])
        refused = httpx2.post(f"{where}/luthier/v1/classify", json={"input": "x"})
        assert (refused.status_code, "/luthier/v1/tag" in refused.json()["error"]["message"]) == (400, True)
        assert httpx2.post(f"{where}/luthier/v1/tag", json={"input": "x" * 600}).status_code == 400


def test_an_extractor_gives_the_stretch_that_answers() -> None:
    with served(EchoEngine(objective="extract"), base=None) as where:
        asked = [{"question": "Who?", "context": "é the A nd B c"}, {"question": "Who?", "context": "nobody"}]
        answer = httpx2.post(f"{where}/luthier/v1/extract", json={"input": asked}).json()
        first, second = (row["answer"] for row in answer["data"])
        assert (first["start"], first["end"], first["text"]) == (6, 12, "A nd B")
        assert second is None
        too_long = {"question": "x", "context": "x" * 600}
        assert httpx2.post(f"{where}/luthier/v1/extract", json={"input": too_long}).status_code == 400


def test_a_taken_port_is_a_conflict_with_the_remedy() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConflictError, match=f"--port {port + 1}"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.org"])
def test_an_address_that_others_reach_is_refused(host: str) -> None:
    with pytest.raises(UserError, match="others could reach"):
        listen(host, 0)
