"""AdamW with float32 master weights, in one pass over memory."""

# P all trained numbers, one weight after the other

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate

import torch
from torch import Tensor, nn

BLOCK = 1 << 18
"""Numbers updated at once: their weights, moments and gradients, 4 MiB, stay in the processor's cache."""
BETAS = (0.9, 0.999)
EPSILON = 1e-8


class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2).

    Master weights, moments and gradients are float32, whatever the model computes with: each weight becomes a view of
    a flat copy in its own type, and its gradient a view of a flat float32 buffer in which micro-batches add up
    (Micikevicius et al. 2018, arXiv:1710.03740, section 3.1). Float32 weights are their own masters.
    """

    def __init__(
        self, weights: Mapping[str, nn.Parameter], *, decay: float, ratios: Mapping[str, float] | None = None
    ) -> None:
        """`ratios`: the rate of a weight is that of a step times this; 1 where nothing is said."""
        self.decay = decay
        self.norm = 0.0
        """Of the last step's gradients, before they were scaled down."""
        self.steps = torch.zeros(())
        ratio_of = {name: (ratios or {}).get(name, 1.0) for name in weights}
        weights = {name: weights[name] for name in sorted(weights, key=ratio_of.__getitem__)}
        stops = accumulate(weight.numel() for weight in weights.values())
        self._spans = {
            name: slice(stop - weight.numel(), stop)
            for (name, weight), stop in zip(weights.items(), stops, strict=True)
        }
        self._weights = list(weights.values())
        self._shapes = {name: weight.shape for name, weight in weights.items()}
        self._groups = [
            (ratio, slice(self._spans[group[0]].start, self._spans[group[-1]].stop))
            for ratio in sorted({*ratio_of.values()})
            if (group := [name for name in weights if ratio_of[name] == ratio])
        ]
        self.master_P = torch.cat([weight.detach().flatten().float() for weight in weights.values()])
        self.mean_P, self.square_P, self.gradient_P = (torch.zeros_like(self.master_P) for _ in range(3))
        narrow = {weight.dtype for weight in weights.values()} - {torch.float32}
        assert len(narrow) <= 1, "weights are float32 and at most one other type"
        self.copy_P = self.master_P.to(next(iter(narrow))) if narrow else None
        for name, weight in weights.items():
            flat_P = self.master_P if weight.dtype == torch.float32 else self.copy_P
            assert flat_P is not None
            weight.data = self._view(flat_P, name)
            weight.grad_dtype = torch.float32
            weight.grad = self._view(self.gradient_P, name)

    def step(self, *, rate: float, clip: float) -> bool:
        """Update by the gradients, scaled down to a norm of `clip`; False and no update if they are not finite."""
        self.norm = self._norm()
        if not math.isfinite(self.norm):
            return False
        self.steps += 1
        self._update(rate, shrink=max(1.0, self.norm / clip))
        return True

    def forget(self) -> None:
        """Set all gradients to zero."""
        self.gradient_P.zero_()

    def state(self) -> dict[str, Tensor]:
        """Weights, moments and count of steps as named tensors; they are views, and change with the next step."""
        tensors = {
            f"{kind}.{name}": self._view(flat_P, name) for kind, flat_P in self._flat().items() for name in self._spans
        }
        return tensors | {"optimizer.steps": self.steps}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from what `state` returned."""
        for kind, flat_P in self._flat().items():
            for name in self._spans:
                self._view(flat_P, name).copy_(tensors[f"{kind}.{name}"])
        self.steps.copy_(tensors["optimizer.steps"])
        self._copy_out()

    def restore_weights(self, *states: Callable[[], Mapping[str, Tensor]]) -> None:
        """Take only the weights of a saved state, or their mean over several, of which one at a time is in memory."""
        for place, read in enumerate(states):
            tensors = read()
            for name in self._spans:
                view, weight = self._view(self.master_P, name), tensors[f"weight.{name}"]
                view.add_(weight) if place else view.copy_(weight)
        if len(states) > 1:
            self.master_P.div_(len(states))
        self._copy_out()

    def close(self) -> None:
        """Give back the memory of gradients and moments: nothing will be learnt any more."""
        self.mean_P, self.square_P, self.gradient_P = (torch.zeros(0) for _ in range(3))
        for weight in self._weights:
            weight.grad = None

    def _norm(self) -> float:
        """Of all gradients together; each block's is summed in float32, the blocks' in float64."""
        parts = _blocks(slice(0, len(self.gradient_P)))
        return math.sqrt(sum(float(torch.linalg.vector_norm(self.gradient_P[part])) ** 2 for part in parts))

    def _update(self, rate: float, *, shrink: float) -> None:
        """One pass: every block is read, updated and written while it is in the cache."""
        divisor = torch.tensor(shrink)
        for ratio, part in ((ratio, part) for ratio, group in self._groups for part in _blocks(group)):
            torch._fused_adamw_(
                [self.master_P[part]],
                [self.gradient_P[part]],
                [self.mean_P[part]],
                [self.square_P[part]],
                [],
                [self.steps],
                lr=rate * ratio,
                beta1=BETAS[0],
                beta2=BETAS[1],
                weight_decay=self.decay,
                eps=EPSILON,
                amsgrad=False,
                maximize=False,
                grad_scale=divisor,
            )
            if self.copy_P is not None:
                self.copy_P[part].copy_(self.master_P[part])

    def _copy_out(self) -> None:
        if self.copy_P is not None:
            self.copy_P.copy_(self.master_P)

    def _flat(self) -> dict[str, Tensor]:
        return {"weight": self.master_P, "optimizer.mean": self.mean_P, "optimizer.square": self.square_P}

    def _view(self, flat_P: Tensor, name: str) -> Tensor:
        return flat_P[self._spans[name]].view(self._shapes[name])


def _blocks(span: slice) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, span.stop)) for start in range(span.start, span.stop, BLOCK))
