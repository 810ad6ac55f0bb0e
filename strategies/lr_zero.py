from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strategies.strategy import Strategy

if TYPE_CHECKING:
    from torch import nn

    from strategies.partition import Partition


class LrZero(Strategy):
    """The frozen part has a parameter group of its own, at learning rate 0.

    Saves nothing: gradients, optimizer state and update are all paid for. It is wrong under a
    scheduler that writes a rate of its own (OneCycleLR, CyclicLR), under an optimizer with a step
    floor (Rprop), and after an infinite gradient (0 times infinity is NaN).
    """

    name = "lr_zero"

    def param_groups(
        self, model: nn.Module, partition: Partition, lr: float
    ) -> list[dict[str, Any]]:
        return [
            {"params": partition.trainable_tensors(model), "lr": lr},
            {"params": partition.frozen_tensors(model), "lr": 0.0},
        ]
