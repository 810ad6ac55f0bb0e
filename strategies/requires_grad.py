from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strategies.strategy import Strategy

if TYPE_CHECKING:
    from torch import nn

    from strategies.partition import Partition


class RequiresGrad(Strategy):
    """`requires_grad_(False)` on frozen parameters; the optimizer holds the rest.

    Saves the frozen weights' gradients and optimizer state, and the whole backward pass upstream of
    the first trainable layer. It is wrong where something sets the flag back, and it does not hold
    BatchNorm statistics.
    """

    name = "requires_grad"

    def prepare(self, model: nn.Module, partition: Partition) -> None:
        for parameter in partition.frozen_tensors(model):
            parameter.requires_grad_(False)

    def param_groups(
        self, model: nn.Module, partition: Partition, lr: float
    ) -> list[dict[str, Any]]:
        return [{"params": partition.trainable_tensors(model), "lr": lr}]
