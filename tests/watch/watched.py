"""Small models with a backbone to freeze and a head to train, and the loop that trains them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as module_hooks
from torch.optim import optimizer as optimizer_hooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.optim import Optimizer


class Net(nn.Module):
    """A backbone (linear, BatchNorm or not) and a head."""

    def __init__(self, backbone: nn.Module | None = None, *, norm: bool = False) -> None:
        super().__init__()
        layers = [nn.Linear(4, 6), nn.BatchNorm1d(6) if norm else nn.Tanh(), nn.Linear(6, 6)]
        self.backbone = backbone or nn.Sequential(*layers)
        self.head = nn.Linear(6, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.backbone(inputs))


def frozen_net(*, norm: bool = False) -> Net:
    net = Net(norm=norm)
    net.backbone.requires_grad_(False)
    return net


def sgd(model: nn.Module, **settings: Any) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), **{"lr": 0.1, **settings})


def adam(model: nn.Module, **settings: Any) -> torch.optim.Adam:
    return torch.optim.Adam(model.parameters(), **settings)


def train(
    model: nn.Module,
    optimizer: Optimizer | None = None,
    steps: int = 3,
    *,
    before_update: Callable[[int], object] = lambda step: None,
    after_update: Callable[[int], object] = lambda step: None,
    set_to_none: bool = True,
) -> None:
    optimizer = optimizer or sgd(model)
    for step in range(1, steps + 1):
        model(torch.randn(8, 4)).square().mean().backward()
        before_update(step)
        optimizer.step()
        after_update(step)
        optimizer.zero_grad(set_to_none=set_to_none)


def hooks_left(model: nn.Module) -> list[str]:
    """Where hooks are, on the model, its parameters, and on all modules and optimizers."""
    found = [
        f"{name}.{kind}"
        for name, part in model.named_modules()
        for kind, value in vars(part).items()
        if "hook" in kind and isinstance(value, dict) and value
    ]
    found += [
        name
        for name, parameter in model.named_parameters()
        if parameter._post_accumulate_grad_hooks or parameter._backward_hooks
    ]
    found += [kind for kind in dir(module_hooks) if kind.startswith("_global_")
              and "hook" in kind and kind != "_global_is_full_backward_hook"
              and getattr(module_hooks, kind)]  # fmt: skip
    return found + [
        kind for kind in dir(optimizer_hooks)
        if kind.startswith("_global_optimizer") and getattr(optimizer_hooks, kind)
    ]  # fmt: skip
