"""The worker's heap: what is freed stays with the process.

By default glibc maps large blocks on their own and hands free memory back to the system, so that a
training step may fault the same pages in again and again, or not, by the luck of how the heap lies.
That luck was the largest noise of all on the CPU: with it, the ratio of two strategies scattered
several times as much between the rounds and between the lives (`make selfbench` has the figures).
A long training, whose heap has settled, is nearer to a worker that keeps its memory.
"""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_NEVER = -1
_LARGEST_BLOCKS = (2**30, 2**25)  # bytes; before glibc 2.35 the second was the most


def keep_freed_memory() -> bool:
    """Ask the C library to keep freed memory; whether it knows how to (glibc does)."""
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    larger = any(mallopt(_M_MMAP_THRESHOLD, size) for size in _LARGEST_BLOCKS)
    return bool(mallopt(_M_TRIM_THRESHOLD, _NEVER)) and larger
