"""Layers whose every weight is trained: they add their gradients to the weight's own buffer, in float32.

Autograd would make each gradient as a tensor of its own first, and for an embedding one as large as the vocabulary.
"""

# T tokens of all rows, I inputs, O outputs, V vocabulary, E embedding

from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luthier.models.fused import CHUNK, ROUND, token_nats, token_slopes
from luthier.models.products import product

TOGETHER = 16
"""Rows of logits that become gradients at once: 16 x 49,152 in float32 are 3 MiB, which the cache holds."""
BLOCK = 1 << 20
"""Numbers of a gradient added at once, for the same reason."""


class DenseProduct(torch.autograd.Function):
    """y = x W' + b of linear layers that read the same input, side by side.

    x [T, I]; weights [O, I], neighbours in memory if there are several (`neighbours`), then as many biases [O] or None.
    """

    @staticmethod
    def forward(ctx: Any, x_TI: Tensor, count: int, *parts: Tensor | None) -> Tensor:
        ctx.save_for_backward(x_TI)
        ctx.weights, ctx.biases = parts[:count], parts[count:]
        bias = None if ctx.biases[0] is None else torch.cat(ctx.biases) if count > 1 else ctx.biases[0]
        return product(x_TI, _joined(ctx.weights), bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (x_TI,) = ctx.saved_tensors
        dy_TO, sizes = gradients[0], [len(weight) for weight in ctx.weights]
        dx_TI = product(dy_TO, _joined(ctx.weights).t()) if ctx.needs_input_grad[0] else None
        dbiases: list[Tensor | None] = [None] * len(sizes)
        if ctx.biases[0] is not None:
            dbiases = [_add(b, db) for b, db in zip(ctx.biases, dy_TO.sum(dim=0).split(sizes), strict=True)]
        if ctx.weights[0].grad is None:
            return dx_TI, None, *product(dy_TO.t(), x_TI.t()).split(sizes), *dbiases
        grown = _joined([weight.grad for weight in ctx.weights])
        _grow(grown, product(dy_TO.t(), x_TI.t()))
        return dx_TI, None, *(None for _ in ctx.weights), *dbiases


def neighbours(weights: Sequence[Tensor]) -> bool:
    """Whether these matrices, and their gradients, lie one after the other in one buffer and so are one matrix."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    if len(gradients) not in (0, len(weights)):
        return False
    return all(_follows(one, other) for matrices in (weights, gradients) for one, other in pairwise(matrices))


def _follows(one: Tensor, other: Tensor) -> bool:
    same = one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
    return same and one.is_contiguous() and one.storage_offset() + one.numel() == other.storage_offset()


def _joined(matrices: Sequence[Tensor]) -> Tensor:
    first = matrices[0].detach()
    return first if len(matrices) == 1 else first.as_strided((sum(map(len, matrices)), first.shape[1]), first.stride())


class TokenVectors(torch.autograd.Function):
    """Rows of an embedding [V, E] by token: ids of any shape -> [..., E]."""

    @staticmethod
    def forward(ctx: Any, ids: Tensor, weight: Tensor, padding: int | None) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.weight, ctx.padding = weight, padding
        return F.embedding(ids, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor | None, None]:
        (ids,) = ctx.saved_tensors
        ids, rows = ids.flatten(), gradients[0].flatten(0, -2).float()
        if ctx.padding is not None:
            kept = ids != ctx.padding
            ids, rows = ids[kept], rows[kept]
        if ctx.weight.grad is None:
            return None, torch.zeros_like(ctx.weight, dtype=rows.dtype).index_add_(0, ids, rows), None
        ctx.weight.grad.index_add_(0, ids, rows.to(ctx.weight.grad.dtype))
        return None, None, None


class TrainedHeadLoss(torch.autograd.Function):
    """Sum of cross-entropies through a head that is trained too, in chunks, gradients found on the way.

    hidden [T, E] of the labelled positions only, head [V, E], targets [T], bias [V] or None; each may
    be frozen. No tensor of T x V ever exists.
    """

    @staticmethod
    def forward(ctx: Any, hidden_TE: Tensor, head_VE: Tensor, targets: Tensor, bias_V: Tensor | None = None) -> Tensor:
        total = hidden_TE.new_zeros((), dtype=torch.float64)
        dhidden_TE = torch.empty_like(hidden_TE)
        dhead_VE = dbias_V = None
        for start in range(0, hidden_TE.shape[0], CHUNK):
            part = slice(start, start + CHUNK)
            count = len(targets[part])
            rows_CE = F.pad(hidden_TE[part], (0, 0, 0, -count % ROUND))
            logits_CV = product(rows_CE, head_VE)
            if bias_V is not None:
                logits_CV += bias_V
            total += _turn_to_slopes(logits_CV, targets[part])
            dhidden_TE[part] = product(logits_CV, head_VE.t())[:count]
            if bias_V is not None and bias_V.requires_grad:
                added_V = logits_CV.sum(dim=0, dtype=torch.float32)
                dbias_V = added_V if dbias_V is None else dbias_V.add_(added_V)
            if head_VE.requires_grad:
                added_VE = product(logits_CV.t(), rows_CE.t())
                dhead_VE = added_VE if dhead_VE is None else dhead_VE.float().add_(added_VE)
        ctx.save_for_backward(dhidden_TE, dhead_VE, dbias_V)
        ctx.head, ctx.bias = head_VE, bias_V
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None, Tensor | None]:
        dhidden_TE, dhead_VE, dbias_V = ctx.saved_tensors
        factor = float(gradients[0])
        dhead_VE = None if dhead_VE is None else _add(ctx.head, dhead_VE, factor=factor)
        dbias_V = None if dbias_V is None else _add(ctx.bias, dbias_V, factor=factor)
        return dhidden_TE * factor, dhead_VE, None, dbias_V


class TrainedTokenLoss(torch.autograd.Function):
    """Next-token cross-entropy of every token through a head that is trained too, in chunks.

    hidden [T, E] of the labelled positions only, head [V, E], targets [T] -> float32 [T]. What each token weighs is
    known only on the way back, so the head is multiplied with once more there.
    """

    @staticmethod
    def forward(ctx: Any, hidden_TE: Tensor, head_VE: Tensor, targets: Tensor) -> Tensor:
        ctx.save_for_backward(hidden_TE, targets)
        ctx.head = head_VE
        return token_nats(hidden_TE, head_VE, targets)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None]:
        hidden_TE, targets = ctx.saved_tensors
        head_VE, weights_T = ctx.head, gradients[0]
        dhidden_TE, dhead_VE = torch.empty_like(hidden_TE), None
        for start in range(0, hidden_TE.shape[0], CHUNK):
            part = slice(start, start + CHUNK)
            count = len(targets[part])
            _, slopes_CV = token_slopes(hidden_TE[part], head_VE, targets[part])
            slopes_CV[:count] *= weights_T[part, None].to(slopes_CV.dtype)
            dhidden_TE[part] = product(slopes_CV, head_VE.t())[:count]
            rows_CE = F.pad(hidden_TE[part], (0, 0, 0, -count % ROUND))
            added_VE = product(slopes_CV.t(), rows_CE.t())
            dhead_VE = added_VE if dhead_VE is None else dhead_VE.float().add_(added_VE)
        return dhidden_TE, None if dhead_VE is None else _add(head_VE, dhead_VE), None


def _turn_to_slopes(logits_CV: Tensor, targets: Tensor) -> Tensor:
    """Sum of the targets' nats, float64; logits [C, V] become their gradients, and rows beyond the targets zeros."""
    total = targets.new_zeros((), dtype=torch.float64)
    for rows, aims in zip(logits_CV[: len(targets)].split(TOGETHER), targets.split(TOGETHER), strict=True):
        places = torch.arange(len(aims))
        slopes = rows.log_softmax(dim=-1, dtype=torch.float32)
        total -= slopes[places, aims].double().sum()
        slopes.exp_()
        slopes[places, aims] -= 1
        rows.copy_(slopes)
    logits_CV[len(targets) :] = 0
    return total


def _add(weight: Tensor, gradient: Tensor, *, factor: float = 1.0) -> Tensor | None:
    """Add to the weight's gradient if it has a buffer, else leave that to autograd."""
    if weight.grad is None:
        return gradient * factor
    _grow(weight.grad, gradient, factor=factor)
    return None


def _grow(total: Tensor, more: Tensor, *, factor: float = 1.0) -> None:
    """Add in place, block by block: of another type, each block is cast in the cache."""
    rows = max(1, BLOCK * len(more) // more.numel())
    for mine, its in zip(total.split(rows), more.split(rows), strict=True):
        mine.add_(its, alpha=factor)


# torch leaves `apply` untyped.
dense_product = cast(Callable[..., Tensor], DenseProduct.apply)
token_vectors = cast(Callable[..., Tensor], TokenVectors.apply)
trained_head_loss = cast(Callable[..., Tensor], TrainedHeadLoss.apply)
trained_token_loss = cast(Callable[..., Tensor], TrainedTokenLoss.apply)


class DenseLinear(nn.Module):
    """A linear layer under training; it takes over the parameters of a plain one."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """x [..., I] -> [..., O]."""
        return dense_product(x.reshape(-1, x.shape[-1]), 1, self.weight, self.bias).view(*x.shape[:-1], -1)


def dense_project(x_TI: Tensor, layers: Sequence[DenseLinear]) -> Tensor:
    """x [T, I] through layers that all read it, side by side: [T, O]; one product where they lie side by side."""
    weights, biases = [layer.weight for layer in layers], [layer.bias for layer in layers]
    if neighbours(weights) and len({bias is None for bias in biases}) == 1:
        return dense_product(x_TI, len(layers), *weights, *biases)
    return torch.cat([layer(x_TI) for layer in layers], dim=1)


class DenseEmbedding(nn.Module):
    """An embedding under training; it takes over the parameter of a plain one."""

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        self.weight, self.padding_idx = embedding.weight, embedding.padding_idx

    def forward(self, ids: Tensor) -> Tensor:
        """Ids of any shape -> [..., E]."""
        return token_vectors(ids, self.weight, self.padding_idx)


def dense(module: nn.Module) -> nn.Module:
    """The module itself; of a plain linear layer or embedding under training, what adds up its own gradients."""
    if any(not weight.requires_grad for weight in module.parameters(recurse=False)):
        return module
    if type(module) is nn.Linear:
        return DenseLinear(module)
    if type(module) is nn.Embedding and module.max_norm is None and not module.scale_grad_by_freq:
        return DenseEmbedding(module)
    return module


def densify(model: nn.Module, *, skip: Collection[str]) -> None:
    """Make every plain linear layer and embedding but the named modules one that adds up its own gradients."""
    for name, module in list(model.named_modules()):
        changed = module if name in skip else dense(module)
        if changed is not module:
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, changed)
