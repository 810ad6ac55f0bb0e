from __future__ import annotations

from typing import TYPE_CHECKING

from strategies.strategy import Step, Strategy

if TYPE_CHECKING:
    from torch import Tensor, nn

    from strategies.partition import Partition


class ClearGrads(Strategy):
    """A full backward pass, then the frozen part's `.grad` is set to None before the update.

    Saves the optimizer's state and update for the frozen part, and nothing of the two passes.
    It is wrong under an optimizer that moves parameters without a gradient.
    """

    name = "clear_grads"
    _frozen: list[Tensor]

    def prepare(self, model: nn.Module, partition: Partition) -> None:
        self._frozen = partition.frozen_tensors(model)

    def before_update(self, step: Step) -> None:
        for parameter in self._frozen:
            parameter.grad = None
