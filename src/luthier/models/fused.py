"""The two places where training a frozen base saves most: LoRA as one function, and a head that never writes [T, V]."""

# T tokens, I inputs, O outputs, R rank, V vocabulary, E embedding, C tokens of a chunk

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 512
"""Labelled tokens per piece of the head: 512 x 49,152 float32 logits are 96 MiB."""

ROUND = 32
"""Row counts of products with the head are multiples of this."""


def logits_of(hidden: Tensor, head: Tensor) -> Tensor:
    """hidden [T, E] through a head [V, E] -> float32 [T, V].

    Rows are padded to a multiple of ROUND: oneDNN keeps a compiled product for every number of rows it has met.
    """
    count = hidden.shape[0]
    padded = F.pad(hidden, (0, 0, 0, -count % ROUND))
    return (padded @ head.t())[:count].float()


class LoraProduct(torch.autograd.Function):
    """y = x W' + s (x A') B' with a frozen W (Hu et al. 2021, arXiv:2106.09685, eq. 3).

    x [T, I], W [O, I], A [R, I], B [O, R], all in the compute type. Keeps x and x A' for the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
        low = x @ a.t()
        y = F.linear(x, weight)
        y.addmm_(low, b.t(), alpha=scale)
        ctx.save_for_backward(x, weight, a, b, low)
        ctx.scale = scale
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, Tensor, Tensor, None]:
        x, weight, a, b, low = ctx.saved_tensors
        dy = gradients[0]
        dlow = (dy @ b).mul_(ctx.scale)
        da = dlow.t() @ x
        db = (dy.t() @ low).mul_(ctx.scale)
        dx = None
        if ctx.needs_input_grad[0]:
            dx = dy @ weight
            dx.addmm_(dlow, a)
        return dx, None, da, db, None


class LabelledLoss(torch.autograd.Function):
    """Sum of next-token cross-entropies through a frozen head, in chunks, gradient found in the forward pass.

    hidden [T, E] of the labelled positions only, head [V, E], targets [T]. No tensor of T x V ever exists.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        total = hidden.new_zeros((), dtype=torch.float64)
        wanted = ctx.needs_input_grad[0]
        gradient = torch.empty_like(hidden) if wanted else None
        for start in range(0, hidden.shape[0], CHUNK):
            part = slice(start, start + CHUNK)
            logits = logits_of(hidden[part], head)
            total += F.cross_entropy(logits, targets[part], reduction="sum").double()
            if gradient is not None:
                share = logits.softmax(dim=-1)
                share[torch.arange(share.shape[0]), targets[part]] -= 1
                count = share.shape[0]
                gradient[part] = (F.pad(share.to(hidden.dtype), (0, 0, 0, -count % ROUND)) @ head)[:count]
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0].to(gradient.dtype), None, None


# torch leaves `apply` untyped.
lora_product = cast(Callable[..., Tensor], LoraProduct.apply)
labelled_loss = cast(Callable[..., Tensor], LabelledLoss.apply)


def token_nats(hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    """Nats of each target token: hidden [T, E], head [V, E], targets [T] -> float32 [T]. No gradient."""
    parts = []
    for start in range(0, hidden.shape[0], CHUNK):
        part = slice(start, start + CHUNK)
        logits = logits_of(hidden[part], head)
        parts.append(F.cross_entropy(logits, targets[part], reduction="none"))
    return torch.cat(parts) if parts else hidden.new_zeros(0, dtype=torch.float32)
