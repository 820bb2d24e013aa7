"""Noise on the vectors of tokens while a decoder learns (NEFTune: Jain et al. 2023, arXiv:2310.05914, algorithm 1)."""

# T tokens of a stream, B rows, L longest row, E embedding

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

NOISE_DIFFERS = "the noise of neftune differs from row to row, so no beginning is the same"
"""Why what rows begin with is not computed once."""


class EmbeddingNoise:
    """Uniform noise of size alpha / sqrt(tokens of the row x E), added where a forward pass is told to."""

    def __init__(self, model: Any, *, alpha: float) -> None:
        self.alpha = alpha
        self._lengths: tuple[int, ...] | None = None
        self._loud = 0
        model.get_input_embeddings().register_forward_hook(self._add)

    @contextmanager
    def over(self, lengths: Sequence[int], quiet: Sequence[int] = ()) -> Iterator[None]:
        """Add noise to rows of these lengths, in a stream or padded, but not to the `quiet` ones behind them."""
        self._lengths, self._loud = (*lengths, *quiet), len(lengths)
        try:
            yield
        finally:
            self._lengths = None

    def _add(self, _module: Any, _inputs: Any, vectors: Tensor) -> Tensor:
        """Vectors [B, L, E], [1, T, E] or [T, E] -> the same with noise."""
        if self._lengths is None:
            return vectors
        width = vectors.shape[-1]
        sizes = self.alpha / (torch.tensor(self._lengths, dtype=torch.float32) * width).sqrt()
        sizes[self._loud :] = 0
        noise = torch.empty(vectors.shape, dtype=torch.float32).uniform_(-1, 1)
        if vectors.dim() == 3 and vectors.shape[1] == max(self._lengths) and len(vectors) >= len(sizes):
            scale = torch.zeros(len(vectors), 1, 1)
            scale[: len(sizes), 0, 0] = sizes
        else:
            scale = torch.zeros(vectors.shape[-2], 1)
            told = sizes.repeat_interleave(torch.tensor(self._lengths))
            scale[: len(told), 0] = told
        return vectors + (noise * scale).to(vectors.dtype)
