"""What a freezing strategy is: hooks along one training step, each with an ordinary default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from strategies.partition import Partition


@dataclass(frozen=True, slots=True)
class Step:
    """One training step, as a strategy sees it.

    Attributes:
        model: the model that `prepare` was given.
        partition: its frozen and trainable part.
        batch_index: which of the workload's batches this step uses; equal numbers, equal batches.
        compute_loss: runs the model on the batch and returns the scalar loss that is to be
            differentiated (under the requested autocast and loss scale).
    """

    model: nn.Module
    partition: Partition
    batch_index: int
    compute_loss: Callable[[], Tensor]


class Strategy:
    """One way of keeping the frozen part of a model from being updated.

    The base class freezes nothing: every hook does what an ordinary training loop does. A strategy
    overrides the one or two hooks that are its idea. It never asks whether it suits a model: the
    harness runs it and the verdict says what happened. An instance serves one model only and may
    keep what it needs on `self`.

    The first sentences of the class docstring are what `freezebench list` prints.
    """

    name: ClassVar[str]
    #: The first step on each batch does extra work that later steps reuse.
    fills_each_batch: ClassVar[bool] = False

    def prepare(self, model: nn.Module, partition: Partition) -> None:
        """Change flags, modules or hooks of `model` in place, once, at the freeze."""

    def param_groups(
        self, model: nn.Module, partition: Partition, lr: float
    ) -> list[dict[str, Any]]:
        """What the optimizer is given, after `prepare`; by default every parameter at rate `lr`."""
        return [{"params": list(model.parameters()), "lr": lr}]

    def differentiate(self, step: Step, forward_done: Callable[[Tensor], None]) -> None:
        """Leave the gradient of the step's loss in `.grad`; by default `forward`, then `backward`.

        Calls `forward_done(loss)` once, at the moment between the two passes.
        """
        loss = self.forward(step)
        forward_done(loss)
        self.backward(step, loss)

    def forward(self, step: Step) -> Tensor:
        """The loss of the step, shape `()`."""
        return step.compute_loss()

    def backward(self, step: Step, loss: Tensor) -> None:
        """Accumulate gradients of `loss` into `.grad`."""
        loss.backward()  # type: ignore[no-untyped-call]

    def before_update(self, step: Step) -> None:
        """Called between the backward pass and `optimizer.step()`."""

    def after_update(self, step: Step) -> None:
        """Called between `optimizer.step()` and `optimizer.zero_grad()`."""

    def kept_tensors(self) -> list[Tensor]:
        """Tensors that the strategy keeps from step to step (a cache, a snapshot)."""
        return []
