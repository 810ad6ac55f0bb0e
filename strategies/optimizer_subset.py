from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strategies.strategy import Strategy

if TYPE_CHECKING:
    from torch import nn

    from strategies.partition import Partition


class OptimizerSubset(Strategy):
    """The optimizer holds the trainable part only; every gradient is still computed and stored.

    Saves the optimizer's state and update for the frozen part, and nothing of the backward pass.
    It is wrong wherever somebody reads gradients: `optimizer.zero_grad()` does not know the frozen
    ones, so they pile up from step to step and count in `clip_grad_norm_` over the model.
    """

    name = "optimizer_subset"

    def param_groups(
        self, model: nn.Module, partition: Partition, lr: float
    ) -> list[dict[str, Any]]:
        return [{"params": partition.trainable_tensors(model), "lr": lr}]
