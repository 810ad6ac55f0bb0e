from __future__ import annotations

from typing import TYPE_CHECKING

from strategies.partition import find_tensor
from strategies.strategy import Strategy

if TYPE_CHECKING:
    from torch import Tensor, nn

    from strategies.partition import Partition


class Buffers(Strategy):
    """Frozen weights become buffers of their modules, so that no optimizer can see them.

    Saves what `requires_grad` saves, without a flag that could be set back; names and storage stay,
    so a state dict does not notice. It is wrong for code that looks for the weights among the
    model's parameters: counts, exporters, thawing later.
    """

    name = "buffers"

    def prepare(self, model: nn.Module, partition: Partition) -> None:
        twins: dict[int, Tensor] = {}  # one buffer for all names of a tied parameter
        for name in partition.frozen:
            parameter = find_tensor(model, name)
            parameter.requires_grad_(False)  # others may hold on to it
            buffer = twins.setdefault(id(parameter), parameter.detach())
            owner_name, _, leaf = name.rpartition(".")
            owner = model.get_submodule(owner_name)
            # A module that stands under two names owns its parameter once. RNNs notice in their
            # next forward pass that their list of weights is out of date.
            if leaf in owner._parameters:
                delattr(owner, leaf)
                owner.register_buffer(leaf, buffer)
