from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from strategies.strategy import Step, Strategy

if TYPE_CHECKING:
    from torch import Tensor, nn

    from strategies.partition import Partition


class Restore(Strategy):
    """Everything trains, and after each update the frozen parameters are copied back.

    Saves nothing, and costs a second copy of the frozen weights and its write at every step. It is
    right under any optimizer and scheduler, and wrong only for who looks between update and copy;
    buffers are not restored.
    """

    name = "restore"
    _frozen: list[Tensor]
    _snapshot: list[Tensor]

    def prepare(self, model: nn.Module, partition: Partition) -> None:
        self._frozen = partition.frozen_tensors(model)
        self._snapshot = [parameter.detach().clone() for parameter in self._frozen]

    def after_update(self, step: Step) -> None:
        with torch.no_grad():
            torch._foreach_copy_(self._frozen, self._snapshot)

    def kept_tensors(self) -> list[Tensor]:
        return self._snapshot
