from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from strategies.boundary import map_tensors, tensors_in, wrap_forward
from strategies.strategy import Step, Strategy

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from strategies.partition import Partition


class FeatureCache(Strategy):
    """Each wholly frozen module runs once a batch; later steps on that batch get what it returned.

    Saves the frozen part's forward and backward pass, at the price of keeping the output of every
    maximal frozen module for every batch. It is wrong with anything trainable upstream, and where
    two visits to a batch should differ: augmentation, dropout, moving BatchNorm statistics.
    """

    name = "feature_cache"
    fills_each_batch = True

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int, int], Any] = {}  # by batch, module and call in the step
        self._calls: Counter[int] = Counter()
        self._batch: int | None = None

    def prepare(self, model: nn.Module, partition: Partition) -> None:
        # A compiler that traced the look-up would compile the model anew for each batch. What the
        # look-up runs may be compiled.
        recall = torch.compiler.disable(self._recall, recursive=False)  # type: ignore[no-untyped-call]
        for position, module in enumerate(partition.modules_of(model)):
            wrap_forward(module, partial(recall, position))

    def forward(self, step: Step) -> Tensor:
        self._batch = step.batch_index
        self._calls.clear()
        try:
            return step.compute_loss()
        finally:
            self._batch = None

    def kept_tensors(self) -> list[Tensor]:
        return [tensor for output in self._kept.values() for tensor in tensors_in(output)]

    def _recall(self, position: int, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # Outside a step the batch is unknown (a validation pass, a recomputing checkpoint).
        key = None if self._batch is None else (self._batch, position, self._calls[position])
        self._calls[position] += 1
        with torch.no_grad():
            if key is None or key not in self._kept:
                output = forward(*args, **kwargs)
                if key is not None:
                    self._kept[key] = map_tensors(_copied, output)
                return map_tensors(torch.Tensor.detach, output)
            # A copy, because the code behind may change it in place (`ReLU(inplace=True)`).
            return map_tensors(_copied, self._kept[key])


def _copied(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()
