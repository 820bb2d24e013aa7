"""LoRA and its variants on all linear layers, on disk exactly as `peft` writes them.

The head of a PooledClassifier is ours, not the encoder's: it lies beside the adapter, which `peft` puts on a plain
`AutoModel`.
"""

import json
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from luthier.errors import UserError
from luthier.models.beside import find_modules, train_whole, whole_modules
from luthier.models.dense import DenseLinear, dense_project
from luthier.models.fused import gained, lora_product, stacked_product
from luthier.models.heads import PooledClassifier
from luthier.models.products import product

WEIGHTS = "adapter_model.safetensors"
SETTINGS = "adapter_config.json"
CLASSIFIER = "classifier.safetensors"
PREFIX = "base_model.model."
Variant = Literal["lora", "rslora", "dora"]


@dataclass(frozen=True, slots=True)
class AdapterShape:
    """What an adapter is, before it has weights."""

    rank: int
    alpha: float
    dropout: float = 0.0
    variant: Variant = "lora"
    whole: tuple[str, ...] = ()
    """Modules that are trained whole beside it."""

    @property
    def scale(self) -> float:
        """Factor on B A: alpha / rank, or alpha / sqrt(rank) (rsLoRA: Kalajdzievski 2023, arXiv:2312.03732)."""
        return self.alpha / (math.sqrt(self.rank) if self.variant == "rslora" else self.rank)


class LoraLinear(nn.Module):
    """A frozen linear layer with a trainable low-rank correction s B A; `active` off gives the base back.

    DoRA (Liu et al. 2024, arXiv:2402.09353) also learns the length of each row of W + s B A: its magnitude.
    """

    def __init__(self, linear: nn.Linear | Conv1D, shape: AdapterShape, *, generator: torch.Generator) -> None:
        super().__init__()
        self.linear = linear
        self.scale = shape.scale
        self.factor = 1.0
        """How much of what was learnt is in force."""
        self.dropout = shape.dropout
        self.active = True
        self.stack: Stack | None = None
        outputs, inputs = self.matrix.shape
        # As peft does: A uniform after Kaiming with a = sqrt(5), B zero, so training starts at the base.
        bound = math.sqrt(6 / ((1 + 5) * inputs))
        values = torch.rand(shape.rank, inputs, generator=generator) * 2 * bound - bound
        self.lora_A = nn.Parameter(values)
        self.lora_B = nn.Parameter(torch.zeros(outputs, shape.rank))
        self.lora_magnitude_vector: nn.Parameter | None = None
        if shape.variant == "dora":
            self.register_buffer("squares", self.matrix.detach().float().square().sum(dim=1), persistent=False)
            self.lora_magnitude_vector = nn.Parameter(self.base_magnitude.clone())
        self._kept: tuple[tuple[float, ...], Tensor] | None = None

    @property
    def matrix(self) -> Tensor:
        """The frozen weight [O, I]; GPT-2's layers hold it the other way round."""
        weight: Tensor = self.linear.weight
        return weight.t() if isinstance(self.linear, Conv1D) else weight

    @property
    def fuses(self) -> bool:
        """Whether the whole layer is one function: the adapter is on, and nothing is dropped out."""
        return self.active and not (self.training and self.dropout > 0)

    @property
    def base_magnitude(self) -> Tensor:
        """[O] lengths of the rows of W: where DoRA's magnitudes start."""
        return self.get_buffer("squares").sqrt()

    @property
    def magnitude(self) -> Tensor | None:
        """[O] magnitudes as they are in force; None without DoRA."""
        learnt = self.lora_magnitude_vector
        if learnt is None or self.factor == 1:
            return learnt
        return torch.lerp(self.base_magnitude, learnt, self.factor)

    def gain(self) -> Tensor | None:
        """[O] factor on the product, m / |W + s B A| (eq. 5), no gradient through the norm (eq. 11); None without DoRA.

        It is kept while nothing learns, because the norm costs as much as the product of R tokens.
        """
        magnitude = self.magnitude
        if magnitude is None or self.training or torch.is_grad_enabled():
            return None if magnitude is None else magnitude / self._lengths()
        state = (self.scale, self.factor, *(weight._version for weight in self.parameters()))
        if self._kept is None or self._kept[0] != state:
            self._kept = (state, magnitude / self._lengths())
        return self._kept[1]

    @torch.no_grad()
    def merged(self) -> Tensor:
        """g (W + s B A), float32, as the layer holds its weight."""
        whole, gain = torch.addmm(self.matrix.float(), self.lora_B, self.lora_A, alpha=self.scale), self.gain()
        whole = whole if gain is None else whole * gain[:, None]
        return whole.t() if isinstance(self.linear, Conv1D) else whole

    @torch.no_grad()
    def _lengths(self) -> Tensor:
        """[O] |W + s B A| by row, as |W|^2 + 2 s W . B A + s^2 |B A|^2: no second weight is ever made."""
        a, b, squares = self.lora_A, self.lora_B, self.get_buffer("squares")
        crossed = product(self.matrix, a.to(self.matrix.dtype)).float()
        added = ((2 * crossed + self.scale * (b @ (a @ a.t()))) * b).sum(dim=1) * self.scale
        return (squares + added).clamp(min=torch.finfo(torch.float32).tiny).sqrt()

    def train(self, mode: bool = True) -> Self:
        """Weights may have changed in the meantime, behind the back of their version counts."""
        self._kept = None
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., I] -> [..., O]."""
        if not self.active:
            found: Tensor = self.linear(x)
            return found
        rows = x.reshape(-1, x.shape[-1])
        a, b = self.lora_A.to(x.dtype), self.lora_B.to(x.dtype)
        if self.training and self.dropout > 0:
            low = F.dropout(rows, self.dropout) @ a.t()
            y = product(rows, self.matrix) + self.scale * (low @ b.t())
        else:
            y = lora_product(rows, self.matrix, a, b, self.scale)
        return corrected(y, self.gain(), self.linear.bias).view(*x.shape[:-1], -1)


def corrected(y: Tensor, gain: Tensor | None, bias: Tensor | None) -> Tensor:
    """y [T, O] times a gain [O], plus a bias [O], where there are such."""
    y = y if gain is None else gained(y, gain)
    return y if bias is None else y + bias


class Stack:
    """Adapted layers that read the same input as one product: their weights and corrections lie in one tensor.

    wide [O, I + R] holds [W, s B] with B on the block diagonal. The layers' own weights become views of it.
    """

    def __init__(self, layers: Sequence[LoraLinear]) -> None:
        first = layers[0].linear.weight
        self.layers = tuple(layers)
        inputs = first.shape[1]
        outputs = [layer.linear.out_features for layer in layers]
        ranks = [layer.lora_A.shape[0] for layer in layers]
        self.wide = first.new_zeros(sum(outputs), inputs + sum(ranks))
        self.wide[:, :inputs] = torch.cat([layer.linear.weight.detach() for layer in layers])
        for layer, rows in zip(layers, self.wide.split(outputs), strict=True):
            layer.linear.weight.data = rows[:, :inputs]
        biases = [layer.linear.bias for layer in layers if layer.linear.bias is not None]
        self.bias = torch.cat([bias.detach() for bias in biases]) if biases else None

    def __call__(self, x: Tensor) -> Tensor:
        """x [T, I] -> [T, O]."""
        downs, ups = [layer.lora_A for layer in self.layers], [layer.lora_B for layer in self.layers]
        gains = [gain for layer in self.layers if (gain := layer.gain()) is not None]
        scales, bias = tuple(layer.scale for layer in self.layers), None if gains else self.bias
        y = stacked_product(x, self.wide, bias, scales, *downs, *ups)
        return corrected(y, torch.cat(gains), self.bias) if gains else y


def project(x: Tensor, layers: Sequence[nn.Module]) -> Tensor:
    """x [T, I] through linear layers that all read it, adapted or not, side by side: [T, O]."""
    dense = [layer for layer in layers if isinstance(layer, DenseLinear)]
    if len(dense) == len(layers):
        return dense_project(x, dense)
    adapted = [layer for layer in layers if isinstance(layer, LoraLinear) and layer.fuses]
    if len(adapted) < len(layers):
        return torch.cat([layer(x) for layer in layers], dim=1)
    if adapted[0].stack is None or adapted[0].stack.layers != tuple(adapted):
        adapted[0].stack = Stack(adapted)
    return adapted[0].stack(x)


def inject(
    model: nn.Module, shape: AdapterShape, *, skip: Sequence[str], seed: int, only: Collection[str] | None = None
) -> None:
    """Freeze the model and put adapters on every linear layer but the named ones, or on `only` those of these names.

    UserError if there is none.
    """
    model.requires_grad_(False)
    for weight in model.parameters():
        weight.data = weight.data.clone()  # else all of a mapped file stays in memory while one weight is read from it
    generator = torch.Generator().manual_seed(seed)
    whole = find_modules(model, shape.whole)
    left_out = tuple(f"{part}." for part in (*skip, *whole))
    targets = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D)
        and not f"{name}.".startswith(left_out)
        and (only is None or name in only)
    ]
    if not targets:
        raise UserError(
            "the base has no linear layers that an adapter could go on. Choose another base."
            if only is None
            else "the adapter does not fit this base: none of its layers is there"
        )
    for name, linear in targets:
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, LoraLinear(linear, shape, generator=generator))
    train_whole(model, whole)


def lora_layers(model: nn.Module) -> Iterator[tuple[str, LoraLinear]]:
    """All adapted layers by name, in the model's order."""
    for name, module in model.named_modules():
        if isinstance(module, LoraLinear):
            yield name, module


def switch(model: nn.Module, *, active: bool) -> None:
    """Turn all adapters, and what is trained beside them, on or off: off is the base, bit for bit."""
    for _, layer in lora_layers(model):
        layer.active = active
    for _, module in whole_modules(model):
        module.active = active


def rescale(model: nn.Module, *, factor: float, shape: AdapterShape) -> None:
    """Set what adapters learnt, and what was trained beside them, to `factor` times what training left."""
    for _, layer in lora_layers(model):
        layer.scale, layer.factor = replace(shape, alpha=shape.alpha * factor).scale, factor
    beside = [module for _, module in whole_modules(model)]
    for module in beside:
        module.remember()  # all before any moves: tied ones move together
    for module in beside:
        module.move(factor)


def adapter_state(model: nn.Module, *, heads: Sequence[str]) -> dict[str, Tensor]:
    """Trained weights under the names `peft` gives them, float32; a classifier of ours under its own."""
    # Copies, because what is tied would otherwise lie in the file as one.
    return {key: value.detach().to(torch.float32, copy=True).contiguous() for key, value in _trained(model, heads)}


def merged_parameters(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Weights under the names they have without adapters, with what was learnt beside them in their place.

    Where there are adapters all are float32: a narrower weight would swallow small corrections.
    """
    layers, beside = dict(lora_layers(model)), dict(whole_modules(model))
    for name, weight in model.named_parameters():
        owner, _, kind = name.rpartition(".")
        whole = next((part for part in beside if name.startswith(f"{part}.")), None)
        if owner in layers or (whole is not None and name.startswith(f"{whole}.base.")):
            continue
        layer = layers.get(owner.removesuffix(".linear")) if owner.endswith(".linear") else None
        value = weight.detach().float() if layers else weight.detach()
        if layer is not None:
            yield f"{owner.removesuffix('.linear')}.{kind}", layer.merged() if kind == "weight" else value
        else:
            yield (name if whole is None else f"{whole}{name.removeprefix(f'{whole}.trained')}"), value


def load_adapter_state(model: nn.Module, state: dict[str, Tensor], *, heads: Sequence[str]) -> None:
    """Put saved weights into an injected model; UserError if names or shapes differ."""
    expected = dict(_trained(model, heads))
    wrong = [name for name in expected if name not in state or state[name].shape != expected[name].shape]
    wrong += [name for name in state if name not in expected]
    if wrong:
        raise UserError(f"the adapter does not fit this base: {wrong[0]} and {len(wrong) - 1} more tensors differ")
    with torch.no_grad():
        for name, value in expected.items():
            value.copy_(state[name])


def save_adapter(
    folder: Path, model: nn.Module, *, shape: AdapterShape, base_name: str, heads: Sequence[str], task: str
) -> None:
    """Write a folder that `PeftModel.from_pretrained` loads. `task`: CAUSAL_LM, SEQ_CLS or FEATURE_EXTRACTION."""
    state = adapter_state(model, heads=heads)
    own = {key: value for key, value in state.items() if not key.startswith(PREFIX)}
    (folder / WEIGHTS).write_bytes(save({key: value for key, value in state.items() if key not in own}))
    if own:
        (folder / CLASSIFIER).write_bytes(save(own))
    beside = [_peft_name(model, name).removeprefix(PREFIX) for name, _ in whole_modules(model)]
    settings = {
        "peft_type": "LORA",
        "task_type": task,
        "base_model_name_or_path": base_name,
        "r": shape.rank,
        "lora_alpha": shape.alpha,
        "lora_dropout": shape.dropout,
        "target_modules": _targets(model) if task == "CAUSAL_LM" else _pattern(model),
        "modules_to_save": [*(() if own else heads), *beside] or None,
        "bias": "none",
        "fan_in_fan_out": any(isinstance(layer.linear, Conv1D) for _, layer in lora_layers(model)),
        "inference_mode": True,
        "init_lora_weights": True,
        "use_rslora": shape.variant == "rslora",
        "use_dora": shape.variant == "dora",
    }
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def is_adapter(folder: Path) -> bool:
    """Whether a model folder holds an adapter rather than a whole model."""
    return (folder / SETTINGS).is_file()


def load_adapter(folder: Path, *, heads: Sequence[str] = ()) -> tuple[AdapterShape, dict[str, Tensor]]:
    """Read an adapter folder whose model has new heads of these names; UserError if it is damaged."""
    try:
        settings: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        state = load_file(folder / WEIGHTS)
        if (folder / CLASSIFIER).is_file():
            state |= load_file(folder / CLASSIFIER)
        shape = _shape(settings, heads)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise UserError(f"{folder}: not a readable adapter ({error}). Train it again.") from None
    return shape, state


def put_adapter(model: nn.Module, folder: Path, *, skip: Sequence[str], heads: Sequence[str]) -> None:
    """Give a freshly loaded base the adapter of a folder; UserError if it is damaged or another base's."""
    shape, state = load_adapter(folder, heads=heads)
    before = "encoder." if isinstance(model, PooledClassifier) else ""
    ending = ".lora_A.weight"
    only = {before + key.removeprefix(PREFIX).removesuffix(ending) for key in state if key.endswith(ending)}
    inject(model, shape, skip=skip, seed=0, only=only)
    load_adapter_state(model, state, heads=heads)


def _shape(settings: dict[str, Any], heads: Sequence[str]) -> AdapterShape:
    variant: Variant = "dora" if settings.get("use_dora") else "rslora" if settings.get("use_rslora") else "lora"
    whole = tuple(str(name) for name in settings.get("modules_to_save") or () if name not in heads)
    return AdapterShape(int(settings["r"]), float(settings["lora_alpha"]), variant=variant, whole=whole)


def _peft_name(model: nn.Module, name: str) -> str:
    """The name of a module in a saved adapter, where an encoder stands alone."""
    return PREFIX + (name.removeprefix("encoder.") if isinstance(model, PooledClassifier) else name)


def _trained(model: nn.Module, heads: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    """What an adapter folder holds, by its name there."""
    for own, layer in lora_layers(model):
        name = _peft_name(model, own)
        yield f"{name}.lora_A.weight", layer.lora_A
        yield f"{name}.lora_B.weight", layer.lora_B
        if layer.magnitude is not None:
            yield f"{name}.lora_magnitude_vector", layer.magnitude
    for own, module in whole_modules(model):
        for key, value in module.trained.state_dict().items():
            yield f"{_peft_name(model, own)}.{key}", value
    before = "" if isinstance(model, PooledClassifier) else PREFIX
    for head in heads:
        for key, value in model.get_submodule(head).state_dict().items():
            yield f"{before}{head}.{key}", value


def _targets(model: nn.Module) -> list[str] | str:
    """Adapted layers by their last names, or as a pattern where these would also match others."""
    adapted = {f"{name}.linear" for name, _ in lora_layers(model)}
    names = {_last(name.removesuffix(".linear")) for name in adapted}
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear | Conv1D)]
    others = {_last(name) for name in linear if name not in adapted}
    return sorted(names) if names.isdisjoint(others) else _pattern(model)


def _pattern(model: nn.Module) -> str:
    """Adapted layers as one pattern: a bare name such as 'dense' would also match inside another head."""
    names = sorted(_peft_name(model, name).removeprefix(PREFIX) for name, _ in lora_layers(model))
    return "|".join(name.replace(".", r"\.") for name in names)


def _last(name: str) -> str:
    return name.rpartition(".")[2]
