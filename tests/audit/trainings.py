"""Small trainings, right and wrong, that the tests of the audit look at."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from bench.audit import Rewound, Subject, audit

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.records import Audit

    Make = Callable[[], Subject]


class Anew:
    """A world in which each beginning is made anew."""

    def __init__(self, make: Make) -> None:
        self._make = make

    def begin(self) -> Subject:
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        return self._make()

    def end(self) -> None:
        return None


def audited(make: Make, how: str = "anew", **kwargs: int) -> Audit:
    """The audit of a training that is made anew, or `rewound`."""
    if how == "anew":
        return audit(Anew(make), target="a test", **kwargs)
    torch.manual_seed(0)
    return audit(Rewound(make()), target="a test", **kwargs)


def rules(found: Audit) -> list[str]:
    """Rules of the findings that are no notices."""
    return sorted(one.rule for one in found.findings if one.severity != "notice")


class Mlp(nn.Module):
    """`stem`, `body` and `head`, with or without normalisation."""

    def __init__(self, norm: bool = False, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Linear(4, width)
        self.body = nn.Sequential(
            nn.Linear(width, width),
            nn.BatchNorm1d(width) if norm else nn.LayerNorm(width),
            nn.Tanh(),
        )
        self.head = nn.Linear(width, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(self.stem(x).tanh()))


class Conv(nn.Module):
    """A convolutional backbone with BatchNorm, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(x))


class Tagger(nn.Module):
    """An embedding, a GRU, and a head that may be tied to the embedding."""

    def __init__(self, tied: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 6)
        self.rnn = nn.GRU(6, 6, batch_first=True)
        self.head = nn.Linear(6, 11, bias=False)
        if tied:
            self.head.weight = self.embedding.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(self.embedding(x))[0])


def inputs_of(model: nn.Module) -> torch.Tensor:
    if isinstance(model, Conv):
        return torch.randn(4, 3, 8, 8)
    if isinstance(model, Tagger):
        return torch.randint(0, 11, (4, 5))
    return torch.randn(6, 4)


def plain(
    model: nn.Module,
    optimizer: object,
    frozen: tuple[str, ...] | None = None,
    *,
    before: Callable[[], object] = lambda: None,
    between: Callable[[], object] = lambda: None,
    after: Callable[[], object] = lambda: None,
    set_to_none: bool = True,
    stateful: list[object] | None = None,
) -> Subject:
    """Zero, `before`, forward, backward, `between`, update, `after`."""
    x = inputs_of(model)

    def step() -> None:
        optimizer.zero_grad(set_to_none=set_to_none)  # type: ignore[attr-defined]
        before()
        model(x).square().mean().backward()
        between()
        optimizer.step()  # type: ignore[attr-defined]
        after()

    return Subject(model, [optimizer], step, frozen, stateful or [])


def freeze(*modules: nn.Module) -> None:
    for module in modules:
        module.requires_grad_(False)


def warmed(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 3) -> None:
    """Train everything for some steps, and leave the last gradient where it is."""
    x = inputs_of(model)
    for _ in range(steps):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
