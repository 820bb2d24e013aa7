"""LoRA on all linear layers, on disk exactly as `peft` writes it.

The head of a PooledClassifier is ours, not the encoder's: it lies beside the adapter, which `peft` puts on a plain
`AutoModel`.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from luthier.errors import UserError
from luthier.models.dense import DenseLinear, dense_project
from luthier.models.fused import lora_product, stacked_product
from luthier.models.heads import PooledClassifier

WEIGHTS = "adapter_model.safetensors"
SETTINGS = "adapter_config.json"
CLASSIFIER = "classifier.safetensors"
PREFIX = "base_model.model."


@dataclass(frozen=True, slots=True)
class AdapterShape:
    """What an adapter is, before it has weights."""

    rank: int
    alpha: float
    dropout: float = 0.0


class LoraLinear(nn.Module):
    """A frozen linear layer with a trainable low-rank correction s B A; `active` off gives the base back."""

    def __init__(self, linear: nn.Linear, shape: AdapterShape, *, generator: torch.Generator) -> None:
        super().__init__()
        self.linear = linear
        self.scale = shape.alpha / shape.rank
        self.dropout = shape.dropout
        self.active = True
        self.stack: Stack | None = None
        # As peft does: A uniform after Kaiming with a = sqrt(5), B zero, so training starts at the base.
        bound = math.sqrt(6 / ((1 + 5) * linear.in_features))
        values = torch.rand(shape.rank, linear.in_features, generator=generator) * 2 * bound - bound
        self.lora_A = nn.Parameter(values)
        self.lora_B = nn.Parameter(torch.zeros(linear.out_features, shape.rank))

    @property
    def fuses(self) -> bool:
        """Whether the whole layer is one function: the adapter is on, and nothing is dropped out."""
        return self.active and not (self.training and self.dropout > 0)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., I] -> [..., O]."""
        if not self.active:
            base: Tensor = self.linear(x)
            return base
        a, b = self.lora_A.to(x.dtype), self.lora_B.to(x.dtype)
        if self.training and self.dropout > 0:
            low = F.dropout(x, self.dropout) @ a.t()
            return F.linear(x, self.linear.weight, self.linear.bias) + self.scale * (low @ b.t())
        rows = x.reshape(-1, x.shape[-1])
        y = lora_product(rows, self.linear.weight, a, b, self.scale)
        if self.linear.bias is not None:
            y = y + self.linear.bias
        return y.view(*x.shape[:-1], -1)


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
        return stacked_product(x, self.wide, self.bias, tuple(layer.scale for layer in self.layers), *downs, *ups)


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


def inject(model: nn.Module, shape: AdapterShape, *, skip: Sequence[str], seed: int) -> None:
    """Freeze the model and put LoRA on every linear layer but the named ones; UserError if there is none."""
    model.requires_grad_(False)
    for weight in model.parameters():
        weight.data = weight.data.clone()  # else all of a mapped file stays in memory while one weight is read from it
    generator = torch.Generator().manual_seed(seed)
    targets = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not f"{name}.".startswith(tuple(f"{part}." for part in skip))
    ]
    if not targets:
        raise UserError("the base has no linear layers that LoRA could adapt. Choose another base.")
    for name, linear in targets:
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, LoraLinear(linear, shape, generator=generator))


def lora_layers(model: nn.Module) -> Iterator[tuple[str, LoraLinear]]:
    """All adapted layers by name, in the model's order."""
    for name, module in model.named_modules():
        if isinstance(module, LoraLinear):
            yield name, module


def switch(model: nn.Module, *, active: bool) -> None:
    """Turn all adapters on or off: off is the base, bit for bit."""
    for _, layer in lora_layers(model):
        layer.active = active


def rescale(model: nn.Module, *, factor: float, shape: AdapterShape) -> None:
    """Set the strength of all adapters to `factor` times what they were trained at."""
    for _, layer in lora_layers(model):
        layer.scale = factor * shape.alpha / shape.rank


def adapter_state(model: nn.Module, *, heads: Sequence[str]) -> dict[str, Tensor]:
    """Trained weights under the names `peft` gives them, float32; a classifier of ours under its own."""
    state = {}
    for name, layer in _named_for_peft(model):
        state[f"{name}.lora_A.weight"] = layer.lora_A.detach().float().contiguous()
        state[f"{name}.lora_B.weight"] = layer.lora_B.detach().float().contiguous()
    for key, value in _head_weights(model, heads):
        state[key] = value.detach().float().contiguous()
    return state


def merged_parameters(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Weights under the names they have without adapters, with what the adapters learnt added: W + s B A.

    Where there are adapters all are float32: a narrower weight would swallow small corrections.
    """
    layers = dict(lora_layers(model))
    for name, weight in model.named_parameters():
        owner, _, kind = name.rpartition(".")
        if owner in layers:
            continue
        adapted = owner.removesuffix(".linear")
        layer = layers.get(adapted) if adapted != owner else None
        value = weight.detach().float() if layers else weight.detach()
        if layer is not None and kind == "weight":
            value = torch.addmm(value, layer.lora_B.detach().float(), layer.lora_A.detach().float(), alpha=layer.scale)
        yield (f"{adapted}.{kind}" if layer is not None else name), value


def load_adapter_state(model: nn.Module, state: dict[str, Tensor], *, heads: Sequence[str]) -> None:
    """Put saved weights into an injected model; UserError if names or shapes differ."""
    expected = adapter_state(model, heads=heads)
    wrong = [name for name in expected if name not in state or state[name].shape != expected[name].shape]
    wrong += [name for name in state if name not in expected]
    if wrong:
        raise UserError(f"the adapter does not fit this base: {wrong[0]} and {len(wrong) - 1} more tensors differ")
    with torch.no_grad():
        for name, layer in _named_for_peft(model):
            layer.lora_A.copy_(state[f"{name}.lora_A.weight"])
            layer.lora_B.copy_(state[f"{name}.lora_B.weight"])
        for key, value in _head_weights(model, heads):
            value.copy_(state[key])


def save_adapter(
    folder: Path, model: nn.Module, *, shape: AdapterShape, base_name: str, heads: Sequence[str], task: str
) -> None:
    """Write a folder that `PeftModel.from_pretrained` loads. `task`: CAUSAL_LM, SEQ_CLS or FEATURE_EXTRACTION."""
    state = adapter_state(model, heads=heads)
    own = {key: value for key, value in state.items() if not key.startswith(PREFIX)}
    (folder / WEIGHTS).write_bytes(save({key: value for key, value in state.items() if key not in own}))
    if own:
        (folder / CLASSIFIER).write_bytes(save(own))
    targets = sorted({name.rpartition(".")[2] for name, _ in lora_layers(model)})
    settings = {
        "peft_type": "LORA",
        "task_type": task,
        "base_model_name_or_path": base_name,
        "r": shape.rank,
        "lora_alpha": shape.alpha,
        "lora_dropout": shape.dropout,
        "target_modules": targets if task == "CAUSAL_LM" else _regex(model),
        "modules_to_save": None if own else list(heads) or None,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "use_rslora": False,
        "use_dora": False,
    }
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def is_adapter(folder: Path) -> bool:
    """Whether a model folder holds an adapter rather than a whole model."""
    return (folder / SETTINGS).is_file()


def load_adapter(folder: Path) -> tuple[AdapterShape, dict[str, Tensor]]:
    """Read an adapter folder; UserError if it is damaged."""
    try:
        settings: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        state = load_file(folder / WEIGHTS)
        if (folder / CLASSIFIER).is_file():
            state |= load_file(folder / CLASSIFIER)
        shape = AdapterShape(rank=int(settings["r"]), alpha=float(settings["lora_alpha"]))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise UserError(f"{folder}: not a readable adapter ({error}). Train it again.") from None
    return shape, state


def _named_for_peft(model: nn.Module) -> Iterator[tuple[str, LoraLinear]]:
    """Adapted layers under the names they have in a saved adapter, where an encoder stands alone."""
    alone = isinstance(model, PooledClassifier)
    for name, layer in lora_layers(model):
        yield PREFIX + (name.removeprefix("encoder.") if alone else name), layer


def _head_weights(model: nn.Module, heads: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    before = "" if isinstance(model, PooledClassifier) else PREFIX
    for head in heads:
        for name, value in model.get_submodule(head).state_dict().items():
            yield f"{before}{head}.{name}", value


def _regex(model: nn.Module) -> str:
    """Adapted layers as one pattern: a bare name such as 'dense' would also match inside another head."""
    names = sorted(name.removeprefix(PREFIX) for name, _ in _named_for_peft(model))
    return "|".join(name.replace(".", r"\.") for name in names)
