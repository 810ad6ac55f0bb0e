from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from strategies.boundary import wrap_forward
from strategies.strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from strategies.partition import Partition


class NoGrad(Strategy):
    """Wholly frozen modules run under `torch.no_grad`; nothing else is changed.

    Saves their activations and their backward pass. It is wrong with anything trainable upstream,
    which then gets no gradient; it leaves frozen parameters alone that share a module with
    trainable ones, or that are used without calling their module.
    """

    name = "no_grad"

    def prepare(self, model: nn.Module, partition: Partition) -> None:
        for module in partition.modules_of(model):
            wrap_forward(module, _without_graph)


def _without_graph(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with torch.no_grad():
        return forward(*args, **kwargs)
