"""What this machine's processor is good at."""

import ctypes
import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch

KEPT_PRODUCTS = 128
"""Compiled products that oneDNN keeps, one for each shape: a step meets fewer, and its usual 1,024 take 1 GB."""
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(KEPT_PRODUCTS))  # read at the first product

_MMAP_MAX, _TRIM_THRESHOLD = -4, -1
_MMAP_DEFAULT, _TRIM_DEFAULT = 65536, 128 * 1024
_NEVER = 2**31 - 1


@contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """Let the C allocator keep freed blocks instead of returning them to the kernel: about 10 % of a training step.

    Does nothing where the C library has no such switch.
    """
    try:
        library = ctypes.CDLL(None)
        changed = bool(library.mallopt(_MMAP_MAX, 0) and library.mallopt(_TRIM_THRESHOLD, _NEVER))
    except (OSError, AttributeError):
        changed = False
    try:
        yield
    finally:
        if changed:
            library.mallopt(_MMAP_MAX, _MMAP_DEFAULT)
            library.mallopt(_TRIM_THRESHOLD, _TRIM_DEFAULT)
            _trim()


def return_freed_memory() -> None:
    """Give everything free back to the kernel: call it when a model has left the scene and another is to come."""
    gc.collect()
    _trim()


def _trim() -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def use_all_cores() -> int:
    """One thread per core this process may use; returns the number."""
    threads = int(os.environ.get("OMP_NUM_THREADS") or 0) or len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    return threads


def multiply_rate(dtype: torch.dtype, *, size: int = 768, repeats: int = 4) -> float:
    """Measured rate of square matrix products in operations per second."""
    left = torch.ones(size, size, dtype=dtype)
    right = torch.ones(size, size, dtype=dtype)
    left @ right
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def faster_dtype() -> tuple[torch.dtype, str]:
    """bfloat16 if this machine multiplies it at least 1.3 times as fast as float32, and the reason in words."""
    single, half = multiply_rate(torch.float32), multiply_rate(torch.bfloat16)
    chosen = torch.bfloat16 if half >= 1.3 * single else torch.float32
    return chosen, f"bfloat16 {half / 1e9:.0f} GFLOP/s, float32 {single / 1e9:.0f} GFLOP/s, measured"
