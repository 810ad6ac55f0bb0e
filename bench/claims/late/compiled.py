"""Flags set before and after a `torch.compile`."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from bench.workloads.seeding import seeded

if TYPE_CHECKING:
    from collections.abc import Callable

MOMENTS = ("before compiling", "after compiling", "after the first step")

TOLERANCE = 1e-5
"""Of a compiled gradient, relative: other kernels add up in another order."""


@dataclass(frozen=True)
class Compiled:
    """One step after the flags were set at one moment.

    `frozen_gradients` counts frozen parameters with a gradient, `error` is ‖difference‖/‖gradient‖
    of the trained part against the uncompiled model, `frames` is how often something was compiled.
    """

    frozen_gradients: int
    error: float
    frames: int

    @property
    def works(self) -> bool:
        """The flags are obeyed, and the rest gets its gradient."""
        return not self.frozen_gradients and self.error <= TOLERANCE


def backends() -> list[str]:
    """`eager` traces and compiles nothing; `inductor` where there is a compiler."""
    compilers = (os.environ.get("CXX", ""), "g++", "clang++")
    there = any(name and shutil.which(name) for name in compilers)
    return ["eager", *(["inductor"] if there else [])]


def compiled() -> dict[str, dict[str, Compiled]]:
    """By backend and moment."""
    return {name: {moment: _at(moment, name) for moment in MOMENTS} for name in backends()}


def _at(moment: str, backend: str) -> Compiled:
    torch._dynamo.reset()
    frames = 0
    behind: Callable[..., Any] = torch._dynamo.lookup_backend(backend)

    def counting(graph: torch.fx.GraphModule, inputs: list[Any]) -> Any:
        nonlocal frames
        frames += 1
        return behind(graph, inputs)

    with seeded(0):
        model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
        images, labels = torch.randn(16, 6), torch.randint(3, (16,))

    def gradients(function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        model.zero_grad()
        nn.functional.cross_entropy(function(images), labels).backward()  # type: ignore[no-untyped-call]

    if moment == "before compiling":
        model[0].requires_grad_(False)
    faster = torch.compile(model, backend=counting)
    if moment == "after the first step":
        gradients(faster)
    model[0].requires_grad_(False)
    gradients(faster)
    with_gradient = sum(parameter.grad is not None for parameter in model[0].parameters())
    found = _flat(model[2])
    gradients(model)
    expected = _flat(model[2])
    torch._dynamo.reset()
    error = float((found - expected).norm() / expected.norm())
    return Compiled(with_gradient, error, frames)


def _flat(module: nn.Module) -> torch.Tensor:
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    if not gradients:
        return torch.full((1,), torch.nan)
    return torch.cat([gradient.flatten() for gradient in gradients])
