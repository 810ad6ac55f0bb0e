"""Flags set before the weights are there, and in the middle of training."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn

from bench.workloads.seeding import seeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STEPS = 5

MIDWAY: dict[str, str] = {
    "cleared": "gradients cleared to None",
    "zeros": "gradients zeroed in place (set_to_none=False)",
    "left": "the last gradient left in place",
}

OPTIMIZERS = ("SGD with momentum", "Adam", "AdamW")


def drift_midway(optimizer: str, gradients: str) -> float:
    """The largest change of a weight in 5 steps after its flag was switched off in mid-training.

    The optimizer holds all parameters and its history, as in a loop that goes on.

    Args:
        optimizer: of `OPTIMIZERS`.
        gradients: a key of `MIDWAY`: what became of the last step's.
    """
    model, images, labels = _small()
    make: dict[str, Callable[[Iterator[nn.Parameter]], torch.optim.Optimizer]] = {
        "SGD with momentum": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9),
        "Adam": lambda p: torch.optim.Adam(p, lr=1e-2),
        "AdamW": lambda p: torch.optim.AdamW(p, lr=1e-2),
    }
    made = make[optimizer](model.parameters())
    frozen, trainable = list(model[0].parameters()), list(model[2].parameters())
    for _ in range(STEPS):
        made.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        made.step()
    model[0].requires_grad_(False)
    if gradients != "left":
        made.zero_grad(set_to_none=gradients == "cleared")
    start = [tensor.clone() for tensor in frozen]
    for _ in range(STEPS):
        for tensor in trainable:
            tensor.grad = None
        nn.functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        made.step()
    return max(float((now - then).abs().max()) for now, then in zip(frozen, start, strict=True))


def flags_before_the_weights() -> dict[str, bool]:
    """Whether a flag that is off stays off when weights come later, by how they come."""
    model, _, _ = _small()
    state = copy.deepcopy(model.state_dict())
    found: dict[str, bool] = {}
    for way, assign in (("load_state_dict", False), ("load_state_dict(assign=True)", True)):
        model, _, _ = _small()
        model.requires_grad_(False)
        model.load_state_dict(state, assign=assign)
        found[way] = not any(parameter.requires_grad for parameter in model.parameters())
    model, _, _ = _small()
    model.requires_grad_(False)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.reset_parameters()
    found["initialised again in place"] = not any(p.requires_grad for p in model.parameters())
    model[2] = nn.Linear(8, 3)
    found["a layer put in its place"] = not any(p.requires_grad for p in model.parameters())
    return found


def _small() -> tuple[nn.Sequential, torch.Tensor, torch.Tensor]:
    with seeded(0):
        model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
        return model, torch.randn(16, 6), torch.randint(3, (16,))
