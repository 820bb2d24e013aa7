"""How fast this machine multiplies matrices."""

import time

import torch

ROWS, INNER, COLUMNS = 512, 576, 1536
"""Shape of a small decoder's feed-forward product."""


def matmul_gflops(*, seconds: float = 0.3) -> dict[str, float]:
    """Best observed billions of floating-point operations per second, for float32 and bfloat16."""
    return {name: round(_best(dtype, seconds), 1) for name, dtype in _DTYPES.items()}


_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def _best(dtype: torch.dtype, seconds: float) -> float:
    left = torch.ones(ROWS, INNER, dtype=dtype)
    right = torch.ones(COLUMNS, INNER, dtype=dtype)
    best = float("inf")
    end = time.perf_counter() + seconds
    with torch.inference_mode():
        torch.nn.functional.linear(left, right)
        while True:
            began = time.perf_counter()
            torch.nn.functional.linear(left, right)
            now = time.perf_counter()
            best = min(best, now - began)
            if now >= end:
                return 2 * ROWS * INNER * COLUMNS / best / 1e9
