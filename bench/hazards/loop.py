"""The one training loop of all scenarios, with seams at which a hazard comes in."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from bench.hazards.models import batches
from bench.measure.stillness import Stillness, frozen_tensors
from strategies import Partition, Step, Strategy, find_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from bench.measure.stillness import Kind, Place
    from bench.records import Moved

    Groups = list[dict[str, Any]]


class StoppedError(Exception):
    """The training ended in an exception, which is the cause of this one."""


def train_mode(loop: Loop) -> None:
    """What most loops do before a step."""
    loop.model.train()


def step_optimizer(loop: Loop) -> None:
    """`optimizer.step()`."""
    loop.optimizer.step()


def zero_to_none(loop: Loop) -> None:
    """`optimizer.zero_grad()`, which takes gradients away."""
    loop.optimizer.zero_grad()


def mean_square(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """The loss of all scenarios that need no other."""
    inputs, targets = batch
    loss: Tensor = (model(inputs) - targets).square().mean()
    return loss


def nothing(_: Any) -> None:
    """A seam that is not used."""


@dataclass
class Loop:
    """A model in training under one strategy: `warm`, `freeze`, `run`.

    Attributes:
        model: trained in place.
        strategy: a fresh instance.
        frozen: patterns of what is meant to be frozen.
        new_optimizer: makes the optimizer of the strategy's groups.
        lr: the rate that the strategy is told.
        batches: taken in turn.
        loss: of a model on a batch, shape `()`.
        at_start: before each step.
        at_half: between the forward and the backward pass, with the loss.
        at_gradients: behind the backward pass.
        update: moves the parameters.
        zero: clears gradients at the end of a step, and once at the freeze.
        at_end: behind each step; schedulers stand here.
        holds_frozen: whether the optimizer gets what the strategy would give it; otherwise the
            trainable part of that alone.
        given: the partition that the strategy is told, where it is not the one that was meant.
        kinds: of frozen tensors that have to be still.
        wrap: what the model is wrapped in at the freeze, behind `prepare`.
    """

    model: nn.Module
    strategy: Strategy
    frozen: Sequence[str] = ("body",)
    new_optimizer: Callable[[Groups], Optimizer] = torch.optim.SGD
    lr: float = 0.1
    batches: Sequence[tuple[Tensor, Tensor]] = field(default_factory=batches)
    loss: Callable[[nn.Module, Any], Tensor] = mean_square
    at_start: Callable[[Loop], object] = train_mode
    at_half: Callable[[Tensor], object] = nothing
    at_gradients: Callable[[Loop], object] = nothing
    update: Callable[[Loop], object] = step_optimizer
    zero: Callable[[Loop], object] = zero_to_none
    at_end: Callable[[Loop], object] = nothing
    holds_frozen: bool = True
    given: Partition | None = None
    kinds: Sequence[Kind] = ("parameter", "buffer", "effective weight")
    wrap: Callable[[nn.Module], nn.Module] | None = None

    def __post_init__(self) -> None:
        self.meant = Partition.of(self.model, self.frozen)
        self.partition = self.given or self.meant
        self.optimizer: Optimizer = self.new_optimizer(
            Strategy().param_groups(self.model, self.partition, self.lr)
        )
        self.wrapped = self.model  # what is called
        self.losses: list[float] = []
        self.with_gradient: set[str] = set()
        self.steps = 0

    def warm(self, steps: int) -> None:
        """Train everything before the freeze.

        The last gradients stay, as they do in a loop that clears them at the start of a step.
        """
        frozen_by, self.strategy = self.strategy, Strategy()
        for left in reversed(range(steps)):
            self._step(zero=left > 0)
        self.strategy = frozen_by
        self.steps = 0
        self.losses.clear()
        self.with_gradient.clear()

    def freeze(self) -> None:
        """The strategy freezes; what it gives to the optimizer keeps its history there.

        Raises:
            StoppedError: the strategy or the optimizer refused.
        """
        self.kept = Stillness(self._watched())
        before = self.optimizer
        with _stopping():
            self.strategy.prepare(self.model, self.partition)
            if self.wrap is not None:
                self.wrapped = self.wrap(self.model)
            groups = self.strategy.param_groups(self.model, self.partition, self.lr)
            self.optimizer = self.new_optimizer(groups if self.holds_frozen else self._less(groups))
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                if parameter in before.state:
                    self.optimizer.state[parameter] = copy.copy(before.state[parameter])
        self.zero(self)

    def run(self, steps: int) -> Loop:
        """Train under the strategy.

        Raises:
            StoppedError: a step ended in an exception.
        """
        for _ in range(steps):
            self._step()
        return self

    def moved(self) -> list[Moved]:
        """Frozen tensors that differ in a bit from what they were at the freeze."""
        return self.kept.moved(self._watched())

    def severed(self) -> list[str]:
        """Trainable parameters that have had no gradient since the freeze."""
        return [name for name in self.meant.trainable if name not in self.with_gradient]

    def frozen_gradients(self) -> list[Tensor]:
        """What stands in `.grad` of the frozen part."""
        found = (tensor.grad for tensor in self.meant.frozen_tensors(self.model))
        return [gradient for gradient in found if gradient is not None]

    def trainable(self) -> list[Tensor]:
        """The trainable parameters, each once."""
        return self.meant.trainable_tensors(self.model)

    def _watched(self) -> dict[Place, Tensor]:
        tensors = frozen_tensors(self.model, self.meant)
        return {place: tensor for place, tensor in tensors.items() if place.kind in self.kinds}

    def _step(self, *, zero: bool = True) -> None:
        batch = self.steps % len(self.batches)
        compute_loss = partial(self._compute_loss, batch)
        step = Step(self.model, self.partition, batch, compute_loss)
        self.at_start(self)
        with _stopping():
            self.strategy.differentiate(step, self._half)
            self.at_gradients(self)
            self.strategy.before_update(step)
            self.with_gradient.update(
                name
                for name in self.meant.trainable
                if find_tensor(self.model, name).grad is not None
            )
            self.update(self)
            self.strategy.after_update(step)
            if zero:
                self.zero(self)
        self.at_end(self)
        self.steps += 1

    def _half(self, loss: Tensor) -> None:
        self.losses.append(float(loss.detach()))
        self.at_half(loss)

    def _compute_loss(self, batch: int) -> Tensor:
        return self.loss(self.wrapped, self.batches[batch])

    def _less(self, groups: Groups) -> Groups:
        """The groups without what is meant to be frozen."""
        frozen = {id(tensor) for tensor in self.meant.frozen_tensors(self.model)}
        return [
            {**group, "params": [p for p in group["params"] if id(p) not in frozen]}
            for group in groups
        ]


@contextmanager
def _stopping() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise StoppedError from error
