"""What every strategy promises, as checks that any test suite can run on a strategy of its own.

With pytest:

    @pytest.mark.parametrize("promise", PROMISES)
    def test_my_strategy_keeps(promise):
        promise(MyStrategy)

Each promise is a sentence, takes what makes a fresh strategy, and raises AssertionError with the
names that break it. They are kept on the plainest case there is: the front of a small model frozen
at the start of training, under Adam. What a strategy does elsewhere is for its docstring to tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from strategies.partition import Partition, find_tensor
from strategies.strategy import Step, Strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch.optim import Optimizer

LR = 0.05


@dataclass
class Trained:
    """A model after training with a strategy, and what was seen on the way.

    Attributes:
        start: parameters and buffers before the first step, by name.
        gradients: of the last step, by parameter name, as the optimizer saw them.
        forward_calls: how often the strategy said that the forward pass was done.
    """

    strategy: Strategy
    model: nn.Module
    partition: Partition
    optimizer: Optimizer
    start: dict[str, Tensor]
    gradients: dict[str, Tensor | None] = field(default_factory=dict)
    forward_calls: int = 0

    def moved(self, names: Iterable[str]) -> list[str]:
        """Those of these parameters and buffers that differ in any bit from the start."""
        return [n for n in names if not torch.equal(find_tensor(self.model, n), self.start[n])]

    def severed(self) -> list[str]:
        """The trainable parameters that had no gradient in the last step."""
        return [name for name in self.partition.trainable if self.gradients[name] is None]

    def apart_from(self, other: Trained) -> list[str]:
        """The trainable parameters that ended elsewhere than the other's, beyond rounding."""
        return [
            name
            for name in self.partition.trainable
            if not torch.allclose(find_tensor(self.model, name), find_tensor(other.model, name))
        ]


class Reference(Strategy):
    """All gradients are computed, and the optimizer holds the trainable part only."""

    name = "reference"

    def param_groups(
        self, model: nn.Module, partition: Partition, lr: float
    ) -> list[dict[str, Any]]:
        return [{"params": partition.trainable_tensors(model), "lr": lr}]


def small_model() -> nn.Module:
    """The same at each call: `first`, `norm`, `second`, `head`, in double precision."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential()
        model.add_module("first", nn.Linear(6, 8))
        model.add_module("norm", nn.BatchNorm1d(8))
        model.add_module("bend", nn.ReLU(inplace=True))
        model.add_module("second", nn.Linear(8, 8))
        model.add_module("again", nn.Tanh())
        model.add_module("head", nn.Linear(8, 3))
    return model.double()


def train(
    strategy: Strategy,
    patterns: Sequence[str],
    new_optimizer: Callable[[list[dict[str, Any]]], Optimizer] = torch.optim.Adam,
    *,
    model: nn.Module | None = None,
    steps: int = 5,
) -> Trained:
    """Train a model (the small one unless given) on two batches in turn, as any loop would."""
    model = model or small_model()
    partition = Partition.of(model, patterns)
    start = {name: tensor.detach().clone() for name, tensor in _state(model)}
    strategy.prepare(model, partition)
    optimizer = new_optimizer(strategy.param_groups(model, partition, LR))
    trained = Trained(strategy, model, partition, optimizer, start)

    def forward_done(_: Tensor) -> None:
        trained.forward_calls += 1

    for index in range(steps):
        step = Step(model, partition, index % 2, partial(_loss, model, index % 2))
        model.train()
        strategy.differentiate(step, forward_done)
        strategy.before_update(step)
        trained.gradients = {
            name: find_tensor(model, name).grad
            for name in (*partition.frozen, *partition.trainable)
        }
        optimizer.step()
        strategy.after_update(step)
        optimizer.zero_grad()
    return trained


def frozen_parameters_stay_bitwise_equal(make: Callable[[], Strategy]) -> None:
    """No bit of a frozen parameter changes."""
    trained = train(make(), ["first", "norm"])
    _must_be_empty("frozen, but moved", trained.moved(trained.partition.frozen))


def trainable_parameters_have_gradients(make: Callable[[], Strategy]) -> None:
    """Every trainable parameter has a gradient when the optimizer comes to it."""
    _must_be_empty("trainable, but without gradient", train(make(), ["first", "norm"]).severed())


def trainable_parameters_follow_the_reference(make: Callable[[], Strategy]) -> None:
    """The trainable part ends where full gradients and a smaller optimizer would take it."""
    trained = train(make(), ["first", "norm"])
    reference = train(Reference(), ["first", "norm"])
    _must_be_empty("apart from the reference", trained.apart_from(reference))


def forward_done_is_called_once_a_step(make: Callable[[], Strategy]) -> None:
    """The harness hears exactly once a step that the forward pass is over."""
    calls = train(make(), ["first", "norm"], steps=3).forward_calls
    if calls != 3:
        raise AssertionError(f"forward_done was called {calls} times in 3 steps")


PROMISES: tuple[Callable[[Callable[[], Strategy]], None], ...] = (
    frozen_parameters_stay_bitwise_equal,
    trainable_parameters_have_gradients,
    trainable_parameters_follow_the_reference,
    forward_done_is_called_once_a_step,
)


def _state(model: nn.Module) -> list[tuple[str, Tensor]]:
    parameters = list(model.named_parameters(remove_duplicate=False))
    return [*parameters, *model.named_buffers(remove_duplicate=False)]


def _loss(model: nn.Module, batch: int) -> Tensor:
    generator = torch.Generator().manual_seed(batch)
    inputs = torch.randn(7, 6, generator=generator, dtype=torch.float64)
    loss: Tensor = (model(inputs) - inputs[:, :3]).square().mean()
    return loss


def _must_be_empty(what: str, names: list[str]) -> None:
    if names:
        raise AssertionError(f"{what}: {', '.join(names)}")
