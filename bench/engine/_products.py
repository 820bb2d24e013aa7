"""How fast this machine multiplies matrices of a model's own shapes, in every form that torch offers in public.

    python -m bench.engine._products BASE bfloat16|float32

Prints one JSON object: seconds per token of each kind of product, at the best rate that was seen for its shape.
"""

# T tokens, K inputs and N outputs of one product (for a layer's input gradient the layer's outputs and inputs)

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from luthier.models.bases import Base, resolve_base
from luthier.models.machine import keeping_freed_memory, use_all_cores

TOKENS = (256, 512, 1024, 2048)
HEAD_TOKENS = (256, 512)
"""The head sees labelled tokens only, and those in chunks."""
SQUARES = (768, 1024, 2048)
STACKS = ({"q_proj", "k_proj", "v_proj"}, {"gate_proj", "up_proj"}, {"query", "key", "value"})
"""Layers that read the same input, so that one product may serve them all."""
SWEEPS, SECONDS, LEAST = 2, 0.02, 3
"""A form is repeated at least so long and so often, and again some time later; its fastest time counts."""
HEAD, BLOCK = 16_384, 4096
"""A layer with more outputs is a head; columns of one of its blocks."""
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}
LORA, FULL = ("forward", "input"), ("forward", "input", "weight")
Prepared = Callable[[], Tensor]


@dataclass(frozen=True, slots=True)
class Layers:
    """Linear layers of one shape."""

    name: str
    inputs: int
    outputs: int
    count: int


@dataclass(frozen=True, slots=True)
class Rate:
    """The fastest way to compute a product."""

    kind: str
    """`multiply`: x [T, K] with weights [N, K]; `gradient`: dy [T, N]' with x [T, K]."""
    inputs: int
    outputs: int
    form: str
    tokens: int
    speed: float
    """Operations per second, two for a multiply-add."""


def linear_layers(base: Base) -> tuple[list[Layers], list[list[Layers]], Layers | None]:
    """Layers of a base by name, those that could be stacked, and the head of a decoder."""
    config = AutoConfig.from_pretrained(str(base.folder))
    kind = AutoModelForCausalLM if base.architecture == "decoder" else AutoModel
    with torch.device("meta"):
        model = kind.from_config(config)
    head = model.get_output_embeddings() if base.architecture == "decoder" else None
    found: dict[str, Layers] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and module is not head and not name.startswith("pooler"):
            label = name.rpartition(".")[2] if base.architecture == "decoder" else _without_number(name)
            count = found[label].count + 1 if label in found else 1
            found[label] = Layers(label, module.in_features, module.out_features, count)
    stacks = [[found[name] for name in found if name.rpartition(".")[2] in names] for names in STACKS]
    layers = [each for each in found.values() if not any(each in stack for stack in stacks)]
    last = None if head is None else Layers("head", head.in_features, head.out_features, 1)
    return layers, [stack for stack in stacks if stack], last


def _without_number(name: str) -> str:
    return ".".join(part for part in name.split(".") if not part.isdigit())


def best_rate(kind: str, inputs: int, outputs: int, dtype: torch.dtype) -> list[Rate]:
    """The rate of every form at every number of tokens, fastest first."""
    forms = {"multiply": multiply_forms, "gradient": gradient_forms}[kind]
    found: dict[tuple[str, int], float] = {}
    for tokens in (HEAD_TOKENS if max(inputs, outputs) > HEAD else TOKENS) * SWEEPS:
        for form, prepared in forms(tokens, inputs, outputs, dtype):
            speed = 2 * tokens * inputs * outputs / fastest(prepared)
            found[form, tokens] = max(speed, found.get((form, tokens), 0.0))
    rates = [Rate(kind, inputs, outputs, form, tokens, speed) for (form, tokens), speed in found.items()]
    return sorted(rates, key=lambda rate: -rate.speed)


def fastest(run: Prepared) -> float:
    """Seconds of the fastest of several repetitions."""
    run()
    best, began, times = float("inf"), time.perf_counter(), 0
    while times < LEAST or time.perf_counter() - began < SECONDS:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
        times += 1
    return best


def multiply_forms(tokens: int, inputs: int, outputs: int, dtype: torch.dtype) -> Iterator[tuple[str, Prepared]]:
    """Ways to compute x [T, K] with weights [N, K] that never change."""
    x, weight = _random(tokens, inputs, dtype=dtype), _random(outputs, inputs, dtype=dtype)
    turned = weight.t().contiguous()
    yield "linear", lambda: F.linear(x, weight)
    yield "transposed copy", lambda: x @ turned
    packed = pack(weight)
    yield "packed", lambda: packed_linear(x, packed)
    if outputs > HEAD:
        rows = weight.split(BLOCK)
        yield "blocks", lambda: [F.linear(x, each) for each in rows][-1]
    if inputs > HEAD:
        parts = [part.contiguous() for part in x.split(BLOCK, dim=1)]
        columns = [part.contiguous() for part in turned.split(BLOCK)]
        yield "blocks", lambda: _added(parts, columns)


def _added(parts: list[Tensor], columns: list[Tensor]) -> Tensor:
    total = parts[0] @ columns[0]
    for part, each in zip(parts[1:], columns[1:], strict=True):
        total.addmm_(part, each)
    return total


def gradient_forms(tokens: int, inputs: int, outputs: int, dtype: torch.dtype) -> Iterator[tuple[str, Prepared]]:
    """Ways to compute dy [T, N]' with x [T, K]; both change at every step, so whatever is copied counts."""
    x, dy = _random(tokens, inputs, dtype=dtype), _random(tokens, outputs, dtype=dtype)
    yield "dy' x", lambda: dy.t() @ x
    yield "(x' dy)'", lambda: (x.t() @ dy).t()
    yield "copied dy' x", lambda: dy.t().contiguous() @ x


def pack(weight: Tensor) -> Tensor:
    """Weights [N, K] in the order in which oneDNN reads them fastest."""
    return torch.ops.mkldnn._reorder_linear_weight(weight)


def packed_linear(x: Tensor, packed: Tensor) -> Tensor:
    """x [T, K] with packed weights [N, K]."""
    return torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")


def packed_error(dtype: torch.dtype) -> tuple[float, float]:
    """Largest relative error of a packed and of a plain product against float64."""
    x, weight = _random(300, 576, dtype=dtype), _random(192, 576, dtype=dtype)
    exact = x.double() @ weight.double().t()
    found = (packed_linear(x, pack(weight)), F.linear(x, weight))
    packed, plain = (float((each.double() - exact).abs().max() / exact.abs().max()) for each in found)
    return packed, plain


def square_rate(dtype: torch.dtype) -> float:
    """Best rate of square products, in operations per second."""
    return max(2 * size**3 / fastest(_square(size, dtype)) for size in SQUARES)


def _square(size: int, dtype: torch.dtype) -> Prepared:
    left, right = _random(size, size, dtype=dtype), _random(size, size, dtype=dtype)
    return lambda: left @ right


def _random(*shape: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).to(dtype)


class Rates:
    """Every product's rates, measured once."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.found: dict[tuple[str, int, int], list[Rate]] = {}

    def best(self, kind: str, inputs: int, outputs: int) -> Rate:
        """The fastest form of a product at the number of tokens that suits it best."""
        key = (kind, inputs, outputs)
        if key not in self.found:
            self.found[key] = best_rate(kind, inputs, outputs, self.dtype)
        return self.found[key][0]

    def seconds(self, use: str, layers: Layers) -> float:
        """Seconds per token that these layers' products take; `use`: forward, input or weight."""
        inputs, outputs = (layers.outputs, layers.inputs) if use == "input" else (layers.inputs, layers.outputs)
        rate = self.best("gradient" if use == "weight" else "multiply", inputs, outputs)
        return layers.count * 2 * inputs * outputs / rate.speed

    def stacked(self, use: str, stack: list[Layers]) -> float:
        """The same for layers with one input, one by one or as one product: whichever is faster."""
        one = Layers("+".join(each.name for each in stack), stack[0].inputs, sum(e.outputs for e in stack), 0)
        whole = Layers(one.name, one.inputs, one.outputs, stack[0].count)
        return min(sum(self.seconds(use, each) for each in stack), self.seconds(use, whole))


def floor_of(base: Base, dtype: torch.dtype) -> dict[str, Any]:
    """Seconds per token of a model's products: `layers` for each token, `head` for each token that carries loss."""
    layers, stacks, head = linear_layers(base)
    rates = Rates(dtype)
    inside = {
        use: sum(rates.seconds(use, each) for each in layers) + sum(rates.stacked(use, stack) for stack in stacks)
        for use in FULL
    }
    every = [*layers, *(each for stack in stacks for each in stack)]
    return {
        "layers": inside,
        "head": {use: rates.seconds(use, head) if head else 0.0 for use in FULL},
        "square": square_rate(dtype),
        "weights": sum(each.count * each.inputs * each.outputs for each in every),
        "head_weights": head.inputs * head.outputs if head else 0,
        "rates": [asdict(rate) for found in rates.found.values() for rate in found],
    }


def step_floor(
    found: dict[str, Any], *, labelled: float, computed: float = 1.0, uses: tuple[str, ...] = LORA
) -> dict[str, float]:
    """Real tokens per second at which the multiplications of a step alone would run (engine.md, section 3).

    2 N operations for each use of the layers (`LORA`: forward and gradient of the input; `FULL`: that of the weights
    too) and each token that must be computed, the `computed` share of the real ones (below 1 where rows begin alike),
    and 2 V d for the `labelled` share. LoRA's own products, attention and everything else count as nothing. `own`: at
    the best rate of each of the model's own shapes; `square`: at the best rate of square products.
    """
    layers, head = found["layers"], found["head"]
    seconds = sum(computed * layers[use] + labelled * head[use] for use in uses)
    operations = 2 * len(uses) * (computed * found["weights"] + labelled * found["head_weights"])
    return {"own": 1 / seconds, "square": found["square"] / operations, "operations": operations}


def main() -> None:
    """Measure one base in one type and print what was found."""
    base = resolve_base(sys.argv[1], relative_to=Path())
    use_all_cores()
    with torch.no_grad(), keeping_freed_memory():
        print(json.dumps(floor_of(base, DTYPES[sys.argv[2]])))


if __name__ == "__main__":
    main()
