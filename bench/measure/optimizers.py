"""The optimizers that a request may name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

# Each with the learning rate that its users start from.
OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], float, dict[str, Any]]] = {
    "adam": (torch.optim.Adam, 1e-3, {}),
    "adamw": (torch.optim.AdamW, 1e-3, {"weight_decay": 1e-2}),
    "sgd": (torch.optim.SGD, 1e-2, {}),
    "momentum": (torch.optim.SGD, 1e-2, {"momentum": 0.9}),
    "adagrad": (torch.optim.Adagrad, 1e-2, {}),
    "rmsprop": (torch.optim.RMSprop, 1e-3, {}),
}


def new_optimizer(
    name: str,
    param_groups: Callable[[float], list[dict[str, Any]]],
    *,
    foreach: bool | None = None,
) -> torch.optim.Optimizer:
    """The optimizer called `name` over the groups that `param_groups` makes for its usual rate.

    `foreach=None` leaves torch to choose its multi-tensor form by device.
    """
    make, lr, settings = OPTIMIZERS[name]
    return make(param_groups(lr), lr=lr, foreach=foreach, **settings)  # type: ignore[call-arg]
