from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from strategies.boundary import map_tensors, wrap_forward
from strategies.strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from strategies.partition import Partition


class Detach(Strategy):
    """What a wholly frozen module returns is detached, so that the backward pass ends there.

    Saves the frozen part's backward pass; unlike `no_grad` its graph is still recorded and then
    dropped. It is wrong with anything trainable upstream, which then gets no gradient, and where
    the output is an opaque object that hides its tensors.
    """

    name = "detach"

    def prepare(self, model: nn.Module, partition: Partition) -> None:
        for module in partition.modules_of(model):
            wrap_forward(module, _detached)


def _detached(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return map_tensors(Tensor.detach, forward(*args, **kwargs))
