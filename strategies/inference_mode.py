from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from strategies.boundary import map_tensors, wrap_forward
from strategies.strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from strategies.partition import Partition


class InferenceMode(Strategy):
    """Wholly frozen modules run under `torch.inference_mode`; their outputs are cloned behind it.

    Saves what `no_grad` saves and the version counters besides, at the price of one copy of each
    output: inference tensors cannot be saved for a backward pass. It is wrong with anything
    trainable upstream, and for a module that keeps tensors of its own making for later.
    """

    name = "inference_mode"

    def prepare(self, model: nn.Module, partition: Partition) -> None:
        for module in partition.modules_of(model):
            wrap_forward(module, _inferred)


def _inferred(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with torch.inference_mode():
        output = forward(*args, **kwargs)
    return map_tensors(_ordinary, output)


def _ordinary(tensor: Tensor) -> Tensor:
    # Detached as well: a module may hand an input through, which still has its graph.
    return tensor.detach().clone()
