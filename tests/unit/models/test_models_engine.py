"""Answers one by one, in batches and as a stream; likelihoods and probabilities against plain `transformers`."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_bases import write_tiny_tokenizer
from tiny_models import WINDOW, eager, random_rows, tiny_model
from torch import Tensor
from wordings import rewrite

from luthier.artifacts.folders import ModelDir, building
from luthier.errors import UserError
from luthier.models.adapters import AdapterShape, inject, lora_layers, save_adapter
from luthier.models.bases import Base
from luthier.models.chat import Wording, load_wording, save_wording
from luthier.models.engines.engine import Sampling
from luthier.models.engines.hf import Engine, load_engine
from luthier.models.engines.slots import Slots, shared_prefix
from luthier.models.load import load_model
from luthier.objectives import objective
from luthier.records import Tick, Worded

KINDS = ["llama", "gpt2", "qwen3", "gemma3_text", "mistral", "opt", "bloom"]
LABELS = ("cat", "dog", "owl")
PROMPTS = random_rows([4, 1, 3 * WINDOW, 7, WINDOW, 2])
rare = settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def wording(tmp_path: Path) -> Wording:
    return load_wording(write_tiny_tokenizer(tmp_path / "wording", context=256))


def engine_of(kind: str, wording: Wording) -> Engine:
    return Engine(tiny_model(kind), wording=wording, labels=(), has_adapter=False)


def with_ends(wording: Wording, ends: Sequence[int], *, context: int = 256) -> Wording:
    """Wide end tokens make tiny models stop soon."""
    fields = {name: getattr(wording, name) for name in wording.__dataclass_fields__}
    return Wording(**{**fields, "end_ids": tuple(ends), "context": context})


def plain_logits(kind: str, ids: Sequence[int]) -> Tensor:
    """Logits [L, V] of one row by itself, without a cache."""
    with eager(tiny_model(kind)) as model, torch.no_grad():
        return model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0]


def plain_greedy(kind: str, prompt: Sequence[int], *, ends: Sequence[int], count: int) -> tuple[int, ...]:
    """Greedy answer without any cache, the end token left out."""
    ids = list(prompt)
    for _ in range(count):
        token = int(plain_logits(kind, ids)[-1].argmax())
        if token in ends:
            break
        ids.append(token)
    return tuple(ids[len(prompt) :])


@pytest.mark.parametrize("shared", [0, 1, WINDOW + 3])
@pytest.mark.parametrize("kind", KINDS)
def test_batched_streamed_and_plain_answers_are_equal(wording: Wording, kind: str, shared: int) -> None:
    ends = tuple(range(0, 259, 9))
    engine = engine_of(kind, with_ends(wording, ends))
    prompts = [(*random_rows([shared], seed=9)[0], *prompt) for prompt in PROMPTS] if shared else PROMPTS
    expected = [plain_greedy(kind, prompt, ends=ends, count=12) for prompt in prompts]
    assert len({len(ids) for ids in expected}) > 1
    together = engine.generate(prompts, adapter=False, max_tokens=12)
    assert [answer.ids for answer in together] == expected
    assert [answer.ended for answer in together] == [len(ids) < 12 for ids in expected]
    assert [answer.text for answer in together] == [wording.decode(ids) for ids in expected]
    for prompt, answer in zip(prompts, together, strict=True):
        assert engine.generate([prompt], adapter=False, max_tokens=12) == [answer]
        assert tuple(engine.stream(prompt, adapter=False, sampling=Sampling(max_tokens=12))) == answer.ids


def test_answers_stop_where_the_context_ends(wording: Wording) -> None:
    engine = engine_of("gpt2", with_ends(wording, [0], context=16))
    prompts = random_rows([15, 5, 16, 12])
    for prompt, answer in zip(prompts, engine.generate(prompts, adapter=False, max_tokens=50), strict=True):
        assert len(answer.ids) <= 16 - len(prompt)
        assert tuple(engine.stream(prompt, adapter=False, sampling=Sampling(max_tokens=50))) == answer.ids
        assert len(answer.ids) == 16 - len(prompt) or answer.ended


def test_nothing_asked_is_nothing_answered(wording: Wording) -> None:
    engine = engine_of("llama", wording)
    assert engine.generate([], adapter=False, max_tokens=3) == []
    assert engine.nats([], adapter=False) == []
    assert engine.states([]).shape == (0, 32)


def worded(lengths: Sequence[int], *, seed: int = 0) -> list[Worded]:
    """Random rows of which some tokens are learnt, in some rows none."""
    random = np.random.default_rng(seed)
    rows = []
    for place, ids in enumerate(random_rows(lengths, seed=seed)):
        trained = (False, *(bool(flip) for flip in random.random(len(ids) - 1) < 0.5))
        rows.append(Worded(f"r{place}", "g", "a:1", ids, trained, (), 1))
    return rows


@pytest.mark.parametrize("kind", KINDS)
@rare
@given(lengths=st.lists(st.integers(1, 3 * WINDOW), min_size=1, max_size=6))
def test_nats_are_plain_cross_entropy(wording: Wording, kind: str, lengths: list[int]) -> None:
    rows = worded(lengths)
    found = engine_of(kind, wording).nats(rows, adapter=False)
    for row, nats in zip(rows, found, strict=True):
        logits = plain_logits(kind, row.ids)[:-1]
        each = F.cross_entropy(logits.double(), torch.tensor(row.ids[1:]).long(), reduction="none")
        assert nats == pytest.approx(float(each[list(row.trained[1:])].sum()), rel=1e-5, abs=1e-6)


def test_a_seed_decides_a_sampled_answer(wording: Wording) -> None:
    engine = engine_of("llama", with_ends(wording, []))

    def sampled(seed: int, **how: float) -> tuple[int, ...]:
        return tuple(engine.stream(PROMPTS[0], adapter=False, sampling=Sampling(20, seed=seed, **how)))

    warm = [sampled(seed, temperature=1.5) for seed in range(4)]
    assert warm == [sampled(seed, temperature=1.5) for seed in range(4)]
    assert len(set(warm)) == 4
    greedy = sampled(0)
    assert sampled(3, temperature=1.5, top_p=1e-9) == greedy
    assert sampled(3, temperature=1e-6) == greedy


def test_sampled_tokens_follow_the_probabilities(wording: Wording) -> None:
    engine = engine_of("llama", with_ends(wording, []))
    with torch.no_grad():
        logits = tiny_model("llama")(input_ids=torch.tensor([PROMPTS[0]])).logits[0, -1].double()
    chances = (logits / 0.7).softmax(-1)
    ordered, tokens = chances.sort(descending=True)
    kept = tokens[: int((ordered.cumsum(-1) < 0.9).sum()) + 1]
    how = {"max_tokens": 1, "temperature": 0.7, "top_p": 0.9}
    drawn = [next(engine.stream(PROMPTS[0], adapter=False, sampling=Sampling(**how, seed=seed))) for seed in range(300)]
    assert set(drawn) <= set(kept.tolist())
    top = int(kept[0])
    share = float(chances[top] / chances[kept].sum())
    assert abs(drawn.count(top) / 300 - share) < 4 * (share * (1 - share) / 300) ** 0.5


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_closing_a_stream_stops_the_model(wording: Wording, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(kind, with_ends(wording, []))
    stream = engine.stream(PROMPTS[0], adapter=False, sampling=Sampling(50))
    next(stream)
    calls: list[str] = []
    step = Slots.step
    monkeypatch.setattr(Slots, "step", lambda *given: calls.append("slots") or step(*given))
    hook = engine.model.register_forward_hook(lambda *_: calls.append("modules"))
    try:
        next(stream)
        stream.close()
        assert list(stream) == []
    finally:
        hook.remove()
    assert calls == ["slots" if kind == "llama" else "modules"]


def write_tuned(base: Base, folder: Path, goal: str, *, digest: str | None = None) -> ModelDir:
    """A tuned model whose adapter and head matter."""
    labels = LABELS if goal == "classify" else ()
    loaded = load_model(base, objective(goal), dtype=torch.float32, labels=labels)
    shape = AdapterShape(rank=2, alpha=4.0)
    inject(loaded.model, shape, skip=loaded.skip, seed=0)
    generator = torch.Generator().manual_seed(1)
    for _, layer in lora_layers(loaded.model):
        torch.nn.init.normal_(layer.lora_B, std=0.5, generator=generator)
    wording = load_wording(base.folder)
    inputs = {"base": base.digest}
    with building(folder, ModelDir, key="k", settings={}, inputs=inputs) as draft:
        save_adapter(draft.path, loaded.model, shape=shape, base_name="tiny", heads=loaded.heads, task=loaded.task)
        save_wording(draft.path, wording, base=base.folder)
        draft.facts |= {"objective": goal, "labels": list(labels), "base_digest": digest or base.digest}
    return ModelDir.open(folder)


def test_streams_of_base_and_tuned_may_interleave(make_base: Callable[[str], Base], tmp_path: Path) -> None:
    base = make_base("llama")
    engine = load_engine(base, tuned=write_tuned(base, tmp_path / "model", "chat"), threads=1)
    prompt = engine.wording.text_ids("What is it?")
    alone = {arm: list(engine.stream(prompt, adapter=arm, sampling=Sampling(10))) for arm in (True, False)}
    assert alone[True] != alone[False]
    streams = {arm: engine.stream(prompt, adapter=arm, sampling=Sampling(10)) for arm in (True, False)}
    mixed: dict[bool, list[int]] = {True: [], False: []}
    for arm in (True, False, False, True) * 5:
        mixed[arm] += [token for token in [next(streams[arm], None)] if token is not None]
    assert mixed == alone
    without = load_engine(base, tuned=None, threads=1)
    assert list(without.stream(prompt, adapter=False, sampling=Sampling(10))) == alone[False]


def test_a_base_tuned_whole_answers_beside_the_base(wording: Wording) -> None:
    models = {False: tiny_model("llama"), True: tiny_model("llama", initializer_range=0.3)}
    both = Engine(models[True], wording=wording, labels=(), has_adapter=True, untuned=models[False])
    for arm in (True, False, True):
        alone = Engine(models[arm], wording=wording, labels=(), has_adapter=False)
        expected = alone.generate(PROMPTS, adapter=False, max_tokens=5)
        assert both.generate(PROMPTS, adapter=arm, max_tokens=5) == expected


@pytest.mark.parametrize("pad", ["in config", "none in config", "none at all", "another in config"])
@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_probabilities_sum_to_one_and_do_not_see_padding(
    make_base: Callable[[str], Base], tmp_path: Path, kind: str, pad: str
) -> None:
    base = make_base(kind)
    if pad != "in config" and not (kind == "bert" and pad != "another in config"):
        rewrite(base.folder, "config.json", pad_token_id=7 if pad == "another in config" else None)
    if pad == "none at all":
        rewrite(base.folder, "tokenizer_config.json", pad_token=None)
    engine = load_engine(base, tuned=write_tuned(base, tmp_path / "model", "classify"), threads=1)
    rows = [engine.wording.text_ids(text) for text in ("a cat", "x", "one long text about an owl", "dog dog")]
    found = engine.classify(rows)
    assert found.shape == (4, len(LABELS))
    assert np.allclose(found.sum(axis=1), 1, atol=1e-12)
    assert found.std(axis=0).max() > 1e-4
    for row, expected in zip(rows, found, strict=True):
        assert np.abs(engine.classify([row])[0] - expected).max() <= 1e-6
    states = engine.states(rows)
    for row, expected in zip(rows, states, strict=True):
        assert np.abs(engine.states([row])[0] - expected).max() <= 1e-5


def test_whoever_listens_hears_every_row(wording: Wording) -> None:
    engine = engine_of("llama", wording)
    ticks: list[Tick] = []
    engine.generate(PROMPTS, adapter=False, max_tokens=2, listener=ticks.append)
    engine.nats(worded([4, 200, 200]), adapter=False, listener=ticks.append)
    engine.states(PROMPTS, listener=ticks.append)
    last = {tick.stage: tick for tick in ticks}
    assert [(tick.done, tick.total) for tick in last.values()] == [(6, 6), (3, 3), (6, 6)]


def test_a_model_tuned_from_another_base_or_template_is_refused(
    make_base: Callable[[str], Base], tmp_path: Path
) -> None:
    base = make_base("llama")
    with pytest.raises(UserError, match="another base"):
        load_engine(base, tuned=write_tuned(base, tmp_path / "one", "chat", digest="0" * 64), threads=1)
    tuned = write_tuned(base, tmp_path / "two", "chat")
    (base.folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    with pytest.raises(UserError, match="R9"):
        load_engine(base, tuned=tuned, threads=1)


@given(rows=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=4))
def test_a_shared_prefix_is_shared_and_leaves_a_token_of_every_row(rows: list[list[int]]) -> None:
    size = shared_prefix(rows)
    assert size < min(map(len, rows))
    assert all(row[:size] == rows[0][:size] for row in rows)
    assert size == min(map(len, rows)) - 1 or len({row[size] for row in rows}) > 1
