"""A model that is ready to be trained with one strategy, a step at a time."""

from __future__ import annotations

import contextlib
import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from bench.measure.optimizers import new_optimizer
from bench.workloads import to_device
from strategies import Partition, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from bench.workloads import Workload
    from strategies import Strategy

INIT_SCALE = 2.0**10
"""Of float16's losses. From torch's own 2^16 the first steps overflow and are skipped, and not the
same ones under every strategy; that is about the scale and says nothing about freezing."""

AUTOCAST_DTYPES = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Recipe:
    """How a workload is trained, beside the strategy.

    Attributes:
        device: where, as torch names it; `meta` for a prediction.
        dtype: `float32`, or the dtype of autocast (`float16` with a loss scale).
        optimizer: a name of `bench.measure.optimizers`.
        seed: of the random numbers that the steps draw.
        compile: whether the model is compiled.
        channels_last: whether convolutions see their inputs in that memory format.
        foreach: whether the optimizer uses its multi-tensor form; `None` leaves it to torch.
    """

    device: str
    dtype: str = "float32"
    optimizer: str = "adam"
    seed: int = 0
    compile: bool = False
    channels_last: bool = False
    foreach: bool | None = None


class NothingReachesTheLossError(Exception):
    """The loss depends on nothing trainable, so there is no backward pass to run."""


class Training:
    """A workload in training under one strategy.

    Args:
        workload: its model is used as it is, moved to the recipe's device.
        strategy: a fresh instance.
        recipe: how to train.
        before: a training of the same model that this one continues: the freeze in the middle.
            Gradients and the optimizer's history are kept where the strategy keeps them.
    """

    def __init__(
        self,
        workload: Workload,
        strategy: Strategy,
        recipe: Recipe,
        before: Training | None = None,
    ) -> None:
        device = torch.device(recipe.device)
        self.model: nn.Module = workload.model.to(device)
        if recipe.channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)
        self.strategy = strategy
        self.recipe = recipe
        self.batches = [
            to_device(batch, device, channels_last=recipe.channels_last)
            for batch in workload.batches
        ]
        self.partition: Partition = (
            before.partition if before else Partition.of(self.model, workload.frozen)
        )
        self.taken: int = before.taken if before else 0
        self._loss_function = workload.loss
        self._autocast_dtype = AUTOCAST_DTYPES[recipe.dtype]
        scaled = recipe.dtype == "float16" and device.type != "meta"
        self._scaler = torch.amp.GradScaler(device.type, init_scale=INIT_SCALE) if scaled else None
        self.model.train()
        strategy.prepare(self.model, self.partition)
        self.optimizer = new_optimizer(
            recipe.optimizer,
            partial(strategy.param_groups, self.model, self.partition),
            foreach=recipe.foreach,
        )
        if before:
            _carry_history(before.optimizer, self.optimizer)
            self.optimizer.zero_grad()
        if recipe.compile:
            self.model.compile()
        self._steps = [
            Step(self.model, self.partition, index, partial(self._compute_loss, batch))
            for index, batch in enumerate(self.batches)
        ]

    def step(
        self,
        mark: Callable[..., None],
        forward_done: Callable[[Tensor], None] | None = None,
        *,
        zero: bool = True,
    ) -> None:
        """Take one training step.

        Args:
            mark: called where forward, backward and update begin and where the step ends.
            forward_done: called with the loss instead of `mark` between forward and backward.
            zero: clear gradients at the end, as a training loop does.

        Raises:
            NothingReachesTheLossError: the strategy cut the loss off from everything trainable.
        """
        done = forward_done or mark

        def between(loss: Tensor) -> None:
            if not loss.requires_grad:
                raise NothingReachesTheLossError
            done(loss)

        step = self._steps[self.taken % len(self._steps)]
        self.taken += 1
        mark()
        self.strategy.differentiate(step, between)
        mark()
        self.strategy.before_update(step)
        if self._scaler is None:
            self.optimizer.step()
        else:
            self._scaler.step(self.optimizer)
            self._scaler.update()
        self.strategy.after_update(step)
        if zero:
            self.optimizer.zero_grad()
        mark()

    def _compute_loss(self, batch: Any) -> Tensor:
        with self._autocast():
            loss = self._loss_function(self.model, batch)
        return loss if self._scaler is None else self._scaler.scale(loss)

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        if self._autocast_dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(torch.device(self.recipe.device).type, self._autocast_dtype)


def _carry_history(old: torch.optim.Optimizer, new: torch.optim.Optimizer) -> None:
    for group in new.param_groups:
        for parameter in group["params"]:
            if parameter in old.state:
                new.state[parameter] = copy.copy(old.state[parameter])
