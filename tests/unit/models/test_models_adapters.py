"""Adapters on disk and in memory, against `peft`."""

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tiny_models import distance, random_rows, tiny_model
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification

from luthier.errors import UserError
from luthier.models.adapters import (
    CLASSIFIER,
    AdapterShape,
    inject,
    load_adapter,
    lora_layers,
    put_adapter,
    rescale,
    save_adapter,
    switch,
)
from luthier.models.bases import Base
from luthier.models.beside import find_modules, whole_modules
from luthier.models.forward import packed_states, padded_states
from luthier.models.load import Loaded, head_weight, load_model
from luthier.models.readout import refuse_biased
from luthier.models.tree import tree_states
from luthier.objectives import objective

LABELS = ("cat", "dog", "owl")
SHAPE = AdapterShape(rank=3, alpha=6.0)
ROWS = random_rows([5, 11, 1, 8])
CASES = [
    ("llama", "chat", SHAPE),
    ("llama", "classify", replace(SHAPE, variant="rslora", whole=("embed_tokens",))),
    ("bert", "classify", replace(SHAPE, variant="dora", whole=("word_embeddings", "LayerNorm"))),
]


def load(base: Base, goal: str, *, seed: int = 0) -> Loaded:
    labels = LABELS if goal == "classify" else ()
    return load_model(base, objective(goal), dtype=torch.float32, labels=labels, seed=seed)


def disturb(model: nn.Module, heads: Sequence[str]) -> None:
    """Give every trainable part weights that matter."""
    generator = torch.Generator().manual_seed(1)
    for _, layer in lora_layers(model):
        nn.init.normal_(layer.lora_B, std=0.5, generator=generator)
        if layer.lora_magnitude_vector is not None:
            layer.lora_magnitude_vector.data *= 1.5
    beside = [module.trained for _, module in whole_modules(model)]
    for module in [*beside, *map(model.get_submodule, heads)]:
        for weight in module.parameters():
            nn.init.normal_(weight, std=0.5, generator=generator)


def logits(model: Callable[..., Any], rows: Sequence[Sequence[int]] = ROWS) -> Tensor:
    with torch.no_grad():
        return torch.cat([model(input_ids=torch.tensor([row])).logits[0].reshape(-1) for row in rows])


@pytest.fixture(params=CASES, ids=lambda case: "-".join((*case[:2], case[2].variant)))
def tuned(request: pytest.FixtureRequest, make_base: Callable[[str], Base], tmp_path: Path) -> tuple[Any, ...]:
    """Base, objective, tuned model in memory, its saved folder, and what its adapter is."""
    kind, goal, shape = request.param
    base = make_base(kind)
    loaded = load(base, goal, seed=5)
    inject(loaded.model, shape, skip=loaded.skip, seed=0)
    disturb(loaded.model, loaded.heads)
    folder = tmp_path / "adapter"
    folder.mkdir()
    save_adapter(folder, loaded.model, shape=shape, base_name="tiny", heads=loaded.heads, task=loaded.task)
    return base, goal, loaded.model.eval(), folder, shape


def plain(base: Base, goal: str) -> nn.Module:
    if goal == "chat":
        return AutoModelForCausalLM.from_pretrained(str(base.folder), dtype=torch.float32).eval()
    if base.architecture == "encoder":
        return AutoModel.from_pretrained(str(base.folder), dtype=torch.float32).eval()
    found = AutoModelForSequenceClassification.from_pretrained(
        str(base.folder), dtype=torch.float32, num_labels=len(LABELS)
    )
    return found.eval()


def with_head(model: nn.Module, folder: Path) -> Callable[..., Any]:
    """A plain model as it stands, an encoder with the classifier that lies beside its adapter."""
    if not (folder / CLASSIFIER).exists():
        return model
    head = load_file(folder / CLASSIFIER)

    def classify(input_ids: Tensor) -> Any:
        mean = model(input_ids=input_ids).last_hidden_state.mean(dim=1)
        return SimpleNamespace(logits=mean @ head["classifier.weight"].T + head["classifier.bias"])

    return classify


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks transformers by an old name
def test_peft_loads_a_saved_adapter_and_transformers_what_it_merged(tuned: tuple[Any, ...], tmp_path: Path) -> None:
    base, goal, model, folder, _ = tuned
    theirs = PeftModel.from_pretrained(plain(base, goal), str(folder)).eval()
    expected = logits(model)
    assert float((logits(with_head(theirs, folder)) - expected).abs().max()) <= 1e-4
    theirs.merge_and_unload().save_pretrained(tmp_path / "merged")
    merged = plain(replace(base, folder=tmp_path / "merged"), goal)
    assert float((logits(with_head(merged, folder)) - expected).abs().max()) <= 1e-4
    assert float((logits(with_head(plain(base, goal), folder)) - expected).abs().max()) > 1e-2


def test_a_loaded_adapter_is_the_saved_one_bit_for_bit(tuned: tuple[Any, ...], tmp_path: Path) -> None:
    base, goal, model, folder, shape = tuned
    again = put_in(folder, base, goal)
    assert torch.equal(logits(again.model.eval()), logits(model))
    second = tmp_path / "second"
    second.mkdir()
    save_adapter(second, again.model, shape=shape, base_name="tiny", heads=again.heads, task=again.task)
    for path in folder.iterdir():
        assert (second / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "shape",
    [SHAPE, replace(SHAPE, variant="dora"), replace(SHAPE, variant="rslora", whole=("lm_head",))],
    ids=["lora", "dora", "head"],
)
@pytest.mark.parametrize("kind", ["llama", "qwen3", "gemma3_text", "gpt2"])
def test_switched_off_is_the_base_bit_for_bit(kind: str, shape: AdapterShape) -> None:
    base = tiny_model(kind)
    model = copy.deepcopy(base)
    inject(model, shape, skip=("lm_head",), seed=0)
    assert distance(logits(model), logits(base)) < 1e-5  # B starts at zero
    disturb(model, ())
    assert distance(logits(model), logits(base)) > 0.1
    switch(model, active=False)
    assert torch.equal(logits(model), logits(base))
    switch(model, active=True)
    assert distance(logits(model), logits(base)) > 0.1


def test_every_linear_layer_but_the_head_is_adapted_and_nothing_else_learns() -> None:
    model = copy.deepcopy(tiny_model("llama"))
    linear = {name for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    inject(model, SHAPE, skip=("lm_head",), seed=0)
    assert {name for name, _ in lora_layers(model)} == linear - {"lm_head"}
    learning = {name.rpartition(".")[2] for name, weight in model.named_parameters() if weight.requires_grad}
    assert learning == {"lora_A", "lora_B"}


def test_a_seed_decides_the_first_weights() -> None:
    first, second, other = (copy.deepcopy(tiny_model("llama")) for _ in range(3))
    for model, seed in ((first, 0), (second, 0), (other, 1)):
        inject(model, SHAPE, skip=("lm_head",), seed=seed)
    pairs = list(zip(lora_layers(first), lora_layers(second), lora_layers(other), strict=True))
    assert all(torch.equal(one[1].lora_A, two[1].lora_A) for one, two, _ in pairs)
    assert not any(torch.equal(one[1].lora_A, three[1].lora_A) for one, _, three in pairs)


@pytest.mark.parametrize("factor", [0.0, 0.25, 1.0])
def test_a_rescaled_adapter_is_what_is_saved_of_it(tuned: tuple[Any, ...], tmp_path: Path, factor: float) -> None:
    base, goal, model, _, shape = tuned
    whole = logits(model)
    rescale(model, factor=factor, shape=shape)
    part, scaled = tmp_path / "part", replace(shape, alpha=shape.alpha * factor)
    part.mkdir()
    loaded = load(base, goal)
    save_adapter(part, model, shape=scaled, base_name="tiny", heads=loaded.heads, task=loaded.task)
    assert torch.equal(logits(put_in(part, base, goal).model.eval()), logits(model))
    if factor == 0:
        found = logits(model)
        switch(model, active=False)
        assert distance(found, logits(model)) <= 1e-5
    rescale(model, factor=1.0, shape=shape)
    switch(model, active=True)
    assert torch.equal(logits(model), whole)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*tied.*:UserWarning")  # peft says of tied modules that they will not stay so
def test_what_is_tied_is_trained_together(make_base: Callable[[str], Base], tmp_path: Path) -> None:
    base = make_base("gpt2")
    loaded = load(base, "chat")
    shape = replace(SHAPE, whole=("wte",))
    inject(loaded.model, shape, skip=loaded.skip, seed=0)
    assert [name for name, _ in whole_modules(loaded.model)] == ["transformer.wte", "lm_head"]
    disturb(loaded.model, ())
    assert loaded.model.lm_head.weight is loaded.model.transformer.wte.weight
    rescale(loaded.model, factor=0.5, shape=shape)
    rescale(loaded.model, factor=0.25, shape=shape)
    quarter = loaded.model.lm_head.weight.detach().clone()
    rescale(loaded.model, factor=1.0, shape=shape)
    ends = loaded.model.lm_head.base.weight, loaded.model.lm_head.weight
    assert torch.allclose(quarter, torch.lerp(*ends, 0.25), atol=1e-6)
    folder = tmp_path / "adapter"
    folder.mkdir()
    save_adapter(folder, loaded.model, shape=shape, base_name="tiny", heads=(), task=loaded.task)
    expected = logits(loaded.model.eval())
    assert torch.equal(logits(put_in(folder, base, "chat").model.eval()), expected)
    theirs = PeftModel.from_pretrained(plain(base, "chat"), str(folder)).eval()
    assert distance(logits(theirs), expected) <= 1e-5
    theirs.merge_and_unload().save_pretrained(tmp_path / "merged")
    assert distance(logits(plain(replace(base, folder=tmp_path / "merged"), "chat")), expected) <= 1e-5


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"no 'wte'. It has: down_proj, embed_tokens"):
        find_modules(tiny_model("llama"), ["wte"])


def test_a_kept_gain_is_renewed_when_weights_change() -> None:
    model = copy.deepcopy(tiny_model("llama"))
    inject(model, replace(SHAPE, variant="dora"), skip=("lm_head",), seed=0)
    model.eval()
    _, layer = next(lora_layers(model))
    with torch.no_grad():
        assert torch.equal(layer.gain(), torch.ones(32))
        assert layer.gain() is layer.gain()
        layer.lora_B.add_(1)
        exact = layer.base_magnitude / (layer.matrix + layer.scale * layer.lora_B @ layer.lora_A).norm(dim=1)
        assert torch.allclose(layer.gain(), exact, rtol=1e-5)
        layer.lora_B.data.add_(1)  # behind its back, as the optimizer does
        model.eval()
        assert not torch.allclose(layer.gain(), exact, rtol=1e-2)


def test_dropout_is_for_training_only() -> None:
    model = copy.deepcopy(tiny_model("llama"))
    inject(model, AdapterShape(rank=3, alpha=6.0, dropout=0.5), skip=("lm_head",), seed=0)
    disturb(model, ())
    quiet = logits(model.eval())
    assert torch.equal(logits(model), quiet)
    model.train()
    assert not torch.equal(logits(model), quiet)


def test_dropout_of_nothing_is_the_fused_product() -> None:
    """Both ways through the layer give the same numbers and gradients."""
    found = []
    for dropout in (0.0, 1e-12):
        model = copy.deepcopy(tiny_model("llama"))
        inject(model, AdapterShape(rank=3, alpha=6.0, dropout=dropout), skip=("lm_head",), seed=0)
        disturb(model, ())
        output = model.train()(input_ids=torch.tensor([ROWS[1]])).logits
        output.square().mean().backward()
        slopes = torch.cat([layer.lora_A.grad.flatten() for _, layer in lora_layers(model)])
        found.append((output.detach(), slopes))
    assert distance(found[0][0], found[1][0]) <= 1e-5
    assert distance(found[0][1], found[1][1]) <= 1e-5


def rewrite_settings(folder: Path, **changes: object) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def put_in(folder: Path, base: Base, goal: str) -> Loaded:
    """A freshly loaded base with the saved adapter."""
    loaded = load(base, goal)
    put_adapter(loaded.model, folder, skip=loaded.skip, heads=loaded.heads)
    return loaded


@pytest.mark.parametrize("damage", ["other rank", "other base", "missing", "cut", "no rank", "not json"])
def test_an_adapter_that_does_not_fit_or_is_damaged_is_named(
    make_base: Callable[..., Base], tmp_path: Path, damage: str
) -> None:
    base, goal = make_base("llama"), "chat"
    loaded = load(base, goal)
    inject(loaded.model, SHAPE, skip=loaded.skip, seed=0)
    folder = tmp_path / "adapter"
    folder.mkdir()
    save_adapter(folder, loaded.model, shape=SHAPE, base_name="tiny", heads=(), task=loaded.task)
    weights = folder / "adapter_model.safetensors"
    match damage:
        case "missing":
            weights.unlink()
        case "cut":
            weights.write_bytes(weights.read_bytes()[:-7])
        case "no rank":
            rewrite_settings(folder, r=None)
        case "not json":
            (folder / "adapter_config.json").write_text("{")
        case "other base":
            base, goal = make_base("bert", "other"), "classify"
        case "other rank":
            rewrite_settings(folder, r=4)
    with pytest.raises(UserError, match="adapter"):
        put_in(folder, base, goal)


def test_a_base_without_linear_layers_is_refused() -> None:
    with pytest.raises(UserError, match="no linear layers"):
        inject(copy.deepcopy(tiny_model("llama")), SHAPE, skip=("model", "lm_head"), seed=0)


def test_what_a_base_lacks_is_learnt_and_saved_with_the_adapter(tuned: tuple[Any, ...]) -> None:
    """A head that the base's file does not hold starts at random: two loads differ, so it must travel along."""
    base, goal, _, folder, _ = tuned
    saved = {name.removeprefix("base_model.model.") for name in load_adapter(folder)[1]}
    first, second = load(base, goal, seed=1).model, load(base, goal, seed=2).model
    pairs = zip(first.state_dict().items(), second.state_dict().values(), strict=True)
    fresh = {name for (name, one), two in pairs if not torch.equal(one, two)}
    assert fresh <= saved


@pytest.mark.parametrize("goal", ["chat", "classify"])
def test_a_base_whose_file_lacks_weights_is_refused(make_base: Callable[[str], Base], goal: str) -> None:
    base = make_base("llama" if goal == "chat" else "bert")
    path = base.folder / "model.safetensors"
    state = load_file(path)
    gone = next(name for name in state if name.endswith("1.mlp.up_proj.weight") or "1.output.dense.weight" in name)
    del state[gone]
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(UserError, match="its files lack 1 of"):
        load(base, goal)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", ["cohere", "granite", "phi"])
def test_a_scale_and_a_bias_of_the_output_layer_are_read(
    make_base: Callable[[str], Base], kind: str, dtype: torch.dtype
) -> None:
    """Likelihoods multiply states by the head's weight; that has to give the model's logits."""
    base = make_base(kind)
    if kind == "phi":
        path = base.folder / "model.safetensors"
        state = load_file(path)
        state["lm_head.bias"] = torch.linspace(-3, 3, len(state["lm_head.bias"]))
        save_file(state, path, metadata={"format": "pt"})
    model = load_model(base, objective("chat"), dtype=dtype).model.eval()
    inject(model, SHAPE, skip=("lm_head",), seed=0)
    with torch.no_grad():
        expected = torch.cat([model(input_ids=torch.tensor([row])).logits[0] for row in ROWS]).float()
        for forward in (packed_states, padded_states, tree_states):
            found = forward(model, ROWS) @ head_weight(model).t()
            assert distance(found.float(), expected) <= (1e-5 if dtype == torch.float32 else 3e-2)


def test_an_output_layer_with_a_bias_is_not_trained(make_base: Callable[[str], Base]) -> None:
    loaded = load(make_base("phi"), "chat")
    with pytest.raises(UserError, match="method: lora"):
        refuse_biased(loaded.model, [loaded.model])
    refuse_biased(loaded.model, [loaded.model.model.embed_tokens])


def test_a_base_that_caps_its_logits_is_refused(make_base: Callable[[str], Base]) -> None:
    with pytest.raises(UserError, match=r"output layer .*softcapping"):
        load(make_base("gemma2"), "chat")
