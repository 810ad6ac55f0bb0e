"""The small models that the scenarios train: a frozen `body`, and something trainable about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

FEATURES, HIDDEN, OUTPUTS, BATCH = 6, 8, 3, 8


def linear() -> nn.Module:
    """The plainest body."""
    return nn.Sequential(nn.Linear(FEATURES, HIDDEN), nn.Tanh())


def with_head(body: nn.Module) -> nn.Module:
    """`body`, frozen in front, and a trainable `head`."""
    model = nn.Sequential()
    model.add_module("body", body)
    model.add_module("head", nn.Linear(HIDDEN, OUTPUTS))
    return model


def in_front() -> nn.Module:
    """The plainest body with a head."""
    return with_head(linear())


def in_the_middle() -> nn.Module:
    """A trainable `stem`, the `body` behind it, a trainable `head`."""
    model = nn.Sequential()
    model.add_module("stem", nn.Linear(FEATURES, FEATURES))
    model.add_module("body", linear())
    model.add_module("head", nn.Linear(HIDDEN, OUTPUTS))
    return model


def behind() -> nn.Module:
    """A trainable `adapter` at the input of a frozen `body`."""
    model = nn.Sequential()
    model.add_module("adapter", nn.Linear(FEATURES, FEATURES))
    model.add_module("body", nn.Sequential(linear(), nn.Linear(HIDDEN, OUTPUTS)))
    return model


def batches(count: int = 2) -> list[tuple[Tensor, Tensor]]:
    """Inputs of shape `(8, 6)` and targets of shape `(8, 3)`, the same at each call."""
    generator = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(BATCH, FEATURES, generator=generator),
            torch.randn(BATCH, OUTPUTS, generator=generator),
        )
        for _ in range(count)
    ]
