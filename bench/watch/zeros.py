"""Trainable parameters whose gradients come and are zero, every number of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_LOOKED_AT = 10  # updates; nearly always the first one is enough
_OFTEN = 3
"""Updates after which zeros are no accident of the beginning, as they are behind a factor that
begins at 0 (the second matrix of a low-rank adapter) in a warm-up that begins at rate 0."""


class Zeros:
    """Gradients of the first updates, each until one is not zero.

    Args:
        parameters: trainable ones, by name.

    Attributes:
        updates: that were looked at.
    """

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self._left = dict(parameters)
        self._zeros: Counter[str] = Counter()
        self._trained: set[str] = set()  # modules that have got a gradient which is not zero
        self.updates = 0

    @property
    def settled(self) -> bool:
        """Whether a further update need not be looked at."""
        return not self._left or self.updates >= _LOOKED_AT

    def at_update(self) -> None:
        """Called at each update, while the gradients are there."""
        if self.settled:
            return
        self.updates += 1
        for name, parameter in list(self._left.items()):
            if parameter.grad is None:
                continue
            if _is_zero(parameter.grad):
                self._zeros[name] += 1
            else:
                del self._left[name]
                self._trained.add(_module(name))

    def names(self) -> list[str]:
        """Those that got zeros alone, more than once or twice, as did all of their module.

        A single parameter of a module may get zeros because the terms of its gradient cancel.
        """
        return [
            name
            for name in self._left
            if self._zeros[name] >= _OFTEN and _module(name) not in self._trained
        ]


def _is_zero(grad: Tensor) -> bool:
    """False also for what cannot be read in one go: sparse gradients, shards of one."""
    if type(grad) is not torch.Tensor or grad.layout != torch.strided:
        return False
    return not bool(grad.count_nonzero())


def _module(name: str) -> str:
    return name.rpartition(".")[0]
