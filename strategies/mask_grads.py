from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from strategies.strategy import Strategy

if TYPE_CHECKING:
    from torch import nn

    from strategies.partition import Partition


class MaskGrads(Strategy):
    """A hook on each frozen parameter replaces its gradient by zeros.

    Saves nothing. It is wrong under weight decay, which is applied after the hook, and in the
    middle of training, where momentum and moments from before the freeze go on moving the weights.
    """

    name = "mask_grads"

    def prepare(self, model: nn.Module, partition: Partition) -> None:
        for parameter in partition.frozen_tensors(model):
            if parameter.requires_grad:  # autograd takes hooks on nothing else
                # Not `gradient * 0`, which would turn infinity into NaN.
                parameter.register_hook(torch.zeros_like)  # type: ignore[no-untyped-call]
