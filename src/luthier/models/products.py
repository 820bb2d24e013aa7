"""Products of float32 by oneDNN: MKL, which `torch` takes, needs twice to three times as long on AMD's processors."""

# T tokens, I inputs, O outputs

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W' + b: x [..., I], weight [O, I] in any layout -> [..., O].

    Float32 goes through oneDNN; other types, which `torch` gives to oneDNN anyway, go as ever. A weight that is part of
    a wider matrix is copied: oneDNN has no fast product of layers that reads one, and takes a thousand times as long.
    """
    if not (x.dtype == weight.dtype == torch.float32 and torch.backends.mkldnn.is_available() and x.numel()):
        return F.linear(x, weight, bias)
    if not (torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)):
        weight = weight if weight.is_contiguous() or weight.t().is_contiguous() else weight.contiguous()
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return y
    return _learning_product(x.reshape(-1, x.shape[-1]), weight, bias).view(*x.shape[:-1], -1)


class _LearningProduct(torch.autograd.Function):
    """The same with its gradients, because `torch` has none for it: x [T, I], weight [O, I], bias [O] or None."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        wanted, [dy] = ctx.needs_input_grad, slopes
        return (
            product(dy, weight.t()) if wanted[0] else None,
            product(dy.t(), x.t()) if wanted[1] else None,
            dy.sum(dim=0) if wanted[2] else None,
        )


_learning_product = cast(Callable[..., Tensor], _LearningProduct.apply)  # torch leaves `apply` untyped


class QuickLinear(nn.Linear):
    """A linear layer that multiplies so; it takes over the parameters of a plain one."""

    def __init__(self, linear: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """x [..., I] -> [..., O]."""
        return product(x, self.weight, self.bias)


def quicken_products(model: nn.Module) -> None:
    """Put layers that multiply so in place of plain ones."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                setattr(module, name, QuickLinear(child))
