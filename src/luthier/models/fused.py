"""What training computes most, with gradients of its own: fewer passes over memory, and less kept for the way back."""

# T tokens, I inputs, O outputs, R rank, V vocabulary, E embedding, C tokens of a chunk

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from luthier.models.products import product

CHUNK = 256
"""Labelled tokens per piece of the head: 256 x 49,152 float32 shares are 48 MiB."""

ROUND = 32
"""Row counts of products with the head are multiples of this."""


def logits_of(hidden: Tensor, head: Tensor) -> Tensor:
    """hidden [T, E] through a head [V, E] -> float32 [T, V].

    Rows are padded to a multiple of ROUND: oneDNN keeps a compiled product for every number of rows it has met.
    """
    count = hidden.shape[0]
    padded = F.pad(hidden, (0, 0, 0, -count % ROUND))
    return product(padded, head)[:count].float()


class LoraProduct(torch.autograd.Function):
    """y = x W' + s (x A') B' with a frozen W (Hu et al. 2021, arXiv:2106.09685, eq. 3).

    x [T, I], W [O, I], A [R, I], B [O, R], all in the compute type. Keeps x and x A' for the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
        low = x @ a.t()
        y = product(x, weight)
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
            dx = product(dy, weight.t())
            dx.addmm_(dlow, a)
        return dx, None, da, db, None


class StackedProduct(torch.autograd.Function):
    """Frozen linear layers that read the same input, with their low-rank corrections, as one product:
    y = [x, x A'] [W, s B]' with s B on the block diagonal.

    x [T, I], wide [O, I + R] of which W is given and s B is put in, b [O] or None; per layer A [r, I], B [o, r] and s
    -> [T, O]. Keeps [x, x A'] for the backward pass.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, wide: Tensor, bias: Tensor | None, scales: tuple[float, ...], *layers: Tensor
    ) -> Tensor:
        downs, ups = layers[: len(scales)], layers[len(scales) :]
        inputs, rank = x.shape[1], wide.shape[1] - x.shape[1]
        for block, up, scale in zip(_diagonal(wide[:, inputs:], ups), ups, scales, strict=True):
            block.copy_(up * scale)
        down = torch.cat(downs).to(x.dtype)
        read = x.new_empty(x.shape[0], inputs + rank)
        read[:, :inputs] = x
        torch.mm(x, down.t(), out=read[:, inputs:])
        ctx.save_for_backward(read, wide, down, *ups)
        ctx.scales = scales
        return product(read, wide, bias)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        read, wide, down, *ups = ctx.saved_tensors
        dy, inputs = slopes[0], down.shape[1]
        dread = product(dy, wide.t())
        dlow = dread[:, inputs:].contiguous()
        dx = torch.addmm(dread[:, :inputs], dlow, down) if ctx.needs_input_grad[0] else None
        ddowns = (dlow.t() @ read[:, :inputs]).float().split([up.shape[1] for up in ups])
        dups: list[Tensor] = [
            block.float().mul_(scale)
            for block, scale in zip(_diagonal(dy.t() @ read[:, inputs:], ups), ctx.scales, strict=True)
        ]
        return dx, None, None, None, *ddowns, *dups


class Gain(torch.autograd.Function):
    """y g with a float32 factor for every output, rounded once: y [T, O] in the compute type, g [O]."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, gain: Tensor) -> Tensor:
        ctx.save_for_backward(y, gain)
        return torch.mul(y, gain, out=torch.empty_like(y))

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, Tensor]:
        y, gain = ctx.saved_tensors
        return torch.mul(slopes[0], gain, out=torch.empty_like(y)), (slopes[0].float() * y).sum(dim=0)


def _diagonal(last: Tensor, ups: Sequence[Tensor]) -> list[Tensor]:
    """The blocks [o, r] on the diagonal of [O, R]."""
    rows = last.split([up.shape[0] for up in ups])
    return [row.split([up.shape[1] for up in ups], dim=1)[place] for place, row in enumerate(rows)]


class RmsNorm(torch.autograd.Function):
    """y = w x / sqrt(mean(x^2) + eps) (Zhang & Sennrich 2019, arXiv:1910.07467), computed in float32.

    x [T, E], w [E]. Keeps x and one number per token.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        wide = x.float()
        length_T1: Tensor = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        rate_T1 = (length_T1.square_() / x.shape[1]).add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, rate_T1)
        return (wide * rate_T1).to(x.dtype).mul_(weight)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, Tensor | None, None]:
        x, weight, rate_T1 = ctx.saved_tensors
        normed = x.float() * rate_T1
        dweight = (slopes[0] * normed).sum(dim=0).to(weight.dtype) if ctx.needs_input_grad[1] else None
        slope = (slopes[0] * weight).float()
        share_T1 = torch.linalg.vecdot(slope, normed)[:, None].div_(x.shape[1])
        return slope.addcmul_(normed, share_T1, value=-1).mul_(rate_T1).to(x.dtype), dweight, None


class SwiGlu(torch.autograd.Function):
    """h = silu(g) u (Shazeer 2020, arXiv:2002.05202, eq. 5) of [g, u] [T, 2 F]; keeps nothing else."""

    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        ctx.save_for_backward(both)
        gate, up = both.chunk(2, dim=1)
        return F.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        (both,) = ctx.saved_tensors
        gate, up = both.chunk(2, dim=1)
        found = torch.empty_like(both)
        dgate, dup = found.chunk(2, dim=1)
        torch.mul(F.silu(gate), slopes[0], out=dup)
        torch.ops.aten.silu_backward(slopes[0] * up, gate, grad_input=dgate)
        return found


class Turn(torch.autograd.Function):
    """Queries and keys turned by their position (Su et al. 2021, arXiv:2104.09864), out of one [T, (H + 2 K) D].

    cos and sin [T, 1, D / 2] -> q [T, H, D], k and v [T, K, D].
    """

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, cos: Tensor, sin: Tensor, key_heads: int) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(cos, sin)
        heads = qkv.unflatten(1, (-1, 2 * cos.shape[-1]))
        q, k, v = heads.split([heads.shape[1] - 2 * key_heads, key_heads, key_heads], dim=1)
        turned = [torch.empty_like(part, memory_format=torch.contiguous_format) for part in (q, k)]
        for part, out in zip((q, k), turned, strict=True):
            _turn(part, cos, sin, sign=1, out=out)
        return turned[0], turned[1], v.contiguous()

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None, None]:
        cos, sin = ctx.saved_tensors
        dq, dk, dv = slopes
        found = dq.new_empty(dq.shape[0], dq.shape[1] + 2 * dk.shape[1], dq.shape[2])
        q, k, v = found.split([dq.shape[1], dk.shape[1], dv.shape[1]], dim=1)
        _turn(dq, cos, sin, sign=-1, out=q)
        _turn(dk, cos, sin, sign=-1, out=k)
        v.copy_(dv)
        return found.flatten(1), None, None, None


def _turn(heads: Tensor, cos: Tensor, sin: Tensor, *, sign: int, out: Tensor) -> None:
    """Turn the two halves of every head [T, H, D] forwards or backwards."""
    first, second = heads.chunk(2, dim=-1)
    left, right = out.chunk(2, dim=-1)
    torch.mul(first, cos, out=left).addcmul_(second, sin, value=-sign)
    torch.mul(second, cos, out=right).addcmul_(first, sin, value=sign)


class LabelledLoss(torch.autograd.Function):
    """Sum of next-token cross-entropies through a frozen head, in chunks, gradient found in the forward pass.

    hidden [T, E] of the labelled positions only, head [V, E], targets [T]. No tensor of T x V ever exists.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        total = hidden.new_zeros((), dtype=torch.float64)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, hidden.shape[0], CHUNK):
            part = slice(start, start + CHUNK)
            wanted = targets[part, None]
            logits = product(F.pad(hidden[part], (0, 0, 0, -len(wanted) % ROUND)), head)
            shares = logits.softmax(dim=-1, dtype=torch.float32)
            # log sum exp(l) = l_max - log(share of l_max): one pass less, and the largest share cannot underflow.
            top = logits.max(dim=-1, keepdim=True)
            sums = top.values.float() - shares.gather(1, top.indices).log()
            total += (sums[: len(wanted)] - logits.gather(1, wanted)).sum(dtype=torch.float64)
            if gradient is not None:
                shares.scatter_add_(1, wanted, shares.new_full(wanted.shape, -1))
                slopes = logits.copy_(shares)  # in the room that the logits had
                gradient[part] = product(slopes, head.t())[: len(wanted)]
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0].to(gradient.dtype), None, None


class TokenLoss(torch.autograd.Function):
    """Next-token cross-entropy of every token through a frozen head, in chunks, gradient found in the forward pass.

    hidden [T, E] of the labelled positions only, head [V, E], targets [T] -> float32 [T].
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        nats = hidden.new_empty(hidden.shape[0], dtype=torch.float32)
        gradient = torch.empty_like(hidden)
        for start in range(0, hidden.shape[0], CHUNK):
            part = slice(start, start + CHUNK)
            nats[part], slopes = token_slopes(hidden[part], head, targets[part])
            gradient[part] = product(slopes, head.t())[: len(targets[part])]
        ctx.save_for_backward(gradient)
        return nats

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0][:, None].to(gradient.dtype), None, None


def token_slopes(hidden: Tensor, head: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Nats of each target, float32 [C], and the gradients of its logits, [C rounded up, V] with zeros at the end."""
    count = len(targets)
    logits = product(F.pad(hidden, (0, 0, 0, -count % ROUND)), head)
    shares = logits.softmax(dim=-1, dtype=torch.float32)
    # Not by the exponential of log shares: rounding the log of their sum would make all shares of a token too large, or
    # all too small. The largest share cannot underflow.
    top = logits[:count].max(dim=-1, keepdim=True)
    places = torch.arange(count)
    nats = (top.values.float() - shares[:count].gather(1, top.indices).log())[:, 0] - logits[places, targets]
    shares[places, targets] -= 1
    shares[count:] = 0
    return nats, logits.copy_(shares)  # in the room that the logits had


# torch leaves `apply` untyped.
lora_product = cast(Callable[..., Tensor], LoraProduct.apply)
gained = cast(Callable[[Tensor, Tensor], Tensor], Gain.apply)
stacked_product = cast(Callable[..., Tensor], StackedProduct.apply)
rms_norm = cast(Callable[[Tensor, Tensor, float], Tensor], RmsNorm.apply)
swiglu = cast(Callable[[Tensor], Tensor], SwiGlu.apply)
turn = cast(Callable[[Tensor, Tensor, Tensor, int], tuple[Tensor, Tensor, Tensor]], Turn.apply)
labelled_loss = cast(Callable[..., Tensor], LabelledLoss.apply)
token_loss = cast(Callable[..., Tensor], TokenLoss.apply)


def token_nats(hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    """Nats of each target token: hidden [T, E], head [V, E], targets [T] -> float32 [T]. No gradient."""
    parts = []
    for start in range(0, hidden.shape[0], CHUNK):
        part = slice(start, start + CHUNK)
        logits = logits_of(hidden[part], head)
        parts.append(F.cross_entropy(logits, targets[part], reduction="none"))
    return torch.cat(parts) if parts else hidden.new_zeros(0, dtype=torch.float32)
