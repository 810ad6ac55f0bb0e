"""What torch was built with and is set to: what changes speed or results, never a path."""

from __future__ import annotations

import os
import re

import torch

from bench.records import TorchSettings

ALLOCATOR = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_HIP_ALLOC_CONF")
"""Variables with the allocator's options; the first one set counts, as in torch."""


def blas() -> str:
    """The library of matrix products."""
    shown = torch.__config__.show()
    for pattern in (r"Math Kernel Library Version [\d.]+", r"BLAS_INFO=\w+"):
        found = re.search(pattern, shown)
        if found:
            return found[0].replace("BLAS_INFO=", "").replace("Math Kernel Library Version", "MKL")
    return "unknown"


def build(shown: str | None = None) -> str:
    """Toolkit, libraries and GPU architectures of this build, in a line.

    Args:
        shown: what `torch.__config__.show()` says.
    """
    shown = torch.__config__.show() if shown is None else shown
    parts = []
    if torch.version.cuda:
        parts.append(f"CUDA {torch.version.cuda}")
    if torch.version.hip:
        parts.append(f"ROCm {torch.version.hip}")
    for pattern, name in (
        (r"Math Kernel Library Version ([\d.]+)", "MKL"),
        (r"MKL-DNN v([\d.]+)", "oneDNN"),
        (r"OpenMP (\d+)", "OpenMP"),
    ):
        if found := re.search(pattern, shown):
            parts.append(f"{name} {found[1]}")
    # Without a GPU at hand torch tells no architectures in some versions, but its build does.
    parts += dict.fromkeys(re.findall(r"code=(sm_\w+)", shown))
    return ", ".join(parts) or "unknown"


def settings() -> TorchSettings:
    """The switches as they are now."""
    return TorchSettings(
        matmul_precision=torch.get_float32_matmul_precision(),
        cudnn_tf32=bool(torch.backends.cudnn.allow_tf32),
        cudnn_benchmark=bool(torch.backends.cudnn.benchmark),
        deterministic=torch.are_deterministic_algorithms_enabled(),
        allocator=next((value for name in ALLOCATOR if (value := os.environ.get(name))), None),
    )
