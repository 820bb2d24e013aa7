"""How much memory tensors take while a model learns, counted on a few of its layers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of tensors alive at the worst moment of one forward and backward pass."""

    fixed: float
    """Whatever the number of layers."""
    layer: float
    """Of each layer."""

    def of(self, layers: int) -> float:
        """Bytes with this many layers."""
        return self.fixed + layers * self.layer


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of tensors made inside it that are alive: `torch` has no such count for CPUs."""

    def __init__(self) -> None:
        TorchDispatchMode.__init__(self)
        self.live: int = 0
        self.peak: int = 0
        self._known: dict[int, ref[Any]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Do the operation, and count what is new in its results."""
        for tensor in tree_iter((args, kwargs)):
            self._note(tensor, counts=False)
        found = func(*args, **(kwargs or {}))
        for tensor in tree_iter(found):
            self._note(tensor, counts=True)
        self.peak = max(self.peak, self.live)
        return found

    def _note(self, tensor: Any, *, counts: bool) -> None:
        if not isinstance(tensor, Tensor):
            return
        storage = tensor.untyped_storage()
        place = storage._cdata
        if place in self._known:
            return
        size = storage.nbytes() if counts else 0
        self.live += size
        self._known[place] = ref(storage, lambda _gone: self._forget(place, size))

    def _forget(self, place: int, size: int) -> None:
        self._known.pop(place, None)
        self.live -= size


def layer_list(model: nn.Module) -> nn.ModuleList | None:
    """The model's layers, if they are where all of `transformers` has them: in one list."""
    count = getattr(model.config, "num_hidden_layers", None)
    lists = (module for module in model.modules() if isinstance(module, nn.ModuleList))
    return next((module for module in lists if len(module) == count and count), None)


def learning_layers(model: nn.Module) -> int:
    """How many layers take part in the backward pass: all from the first that learns; 0 if they cannot be told apart.

    Below it nothing is kept.
    """
    layers = layer_list(model) or ()
    learns = [any(weight.requires_grad for weight in layer.parameters()) for layer in layers]
    return len(learns) - learns.index(True) if True in learns else len(learns)


def footprint(model: nn.Module, learn: Callable[[], Tensor]) -> Footprint:
    """What `learn`, which returns a loss of the model, and its backward pass take.

    Runs both on the last layer and on the last two, and takes the difference for what every layer adds; a model whose
    layers cannot be told from the rest runs whole. No gradient is left behind.
    """
    layers = layer_list(model)
    if layers is None or len(layers) < 3:
        return Footprint(_peak(model, learn), 0.0)
    peaks = []
    for depth in (1, 2):
        with _cut(layers, depth):
            peaks.append(_peak(model, learn))
    return Footprint(2.0 * peaks[0] - peaks[1], float(peaks[1] - peaks[0]))


def _peak(model: nn.Module, learn: Callable[[], Tensor]) -> int:
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    for weight in weights:
        weight.grad_dtype = torch.float32  # as the optimizer will have it
        weight.grad = torch.zeros_like(weight, dtype=torch.float32)  # as in the second piece of a step
    random = torch.get_rng_state()
    try:
        count = LiveBytes()
        with count:
            learn().backward()
        return count.peak
    finally:
        torch.set_rng_state(random)
        for weight in weights:
            weight.grad = None


@contextmanager
def _cut(layers: nn.ModuleList, depth: int) -> Iterator[None]:
    whole = layers._modules
    layers._modules = {str(place): layer for place, layer in enumerate([*whole.values()][-depth:])}
    try:
        yield
    finally:
        layers._modules = whole
