"""What is trained: a model, its batches, its loss, and which part of it is frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn


BATCHES = 4  # of a built-in workload: enough to differ from step to step, few enough to keep


class WorkloadError(ValueError):
    """The workload cannot be trained as it is; the message says what is wrong and what to do."""


def cross_entropy(model: nn.Module, batch: Any) -> Tensor:
    """The loss of a classifier on a batch `(inputs, labels)`, shape `()`."""
    inputs, labels = batch
    return functional.cross_entropy(model(inputs), labels)


@dataclass(frozen=True)
class Workload:
    """A model with what it takes to train it.

    Attributes:
        model: any module, on the CPU (or on `meta`, when built for a prediction).
        batches: a few batches that the steps go through in turn; each any nesting of tensors in
            tuples, lists and dicts. Batch size is the first dimension of a batch's first tensor.
        frozen: shell patterns on module or parameter names; `!pattern` takes matches out again.
        loss: from model and batch to a scalar tensor; the default takes `(inputs, labels)`.
    """

    model: nn.Module
    batches: Sequence[Any]
    frozen: Sequence[str]
    loss: Callable[[nn.Module, Any], Tensor] = cross_entropy
