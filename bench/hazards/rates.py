"""A learning rate of 0 that does not stay one, or does not mean standing still."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import optim
from torch.optim import lr_scheduler

from bench.hazards.judgement import over, still
from bench.hazards.leftovers import OUT_OF_THE_OPTIMIZER, again
from bench.hazards.loop import Loop
from bench.hazards.models import in_front
from bench.hazards.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor
    from torch.optim.lr_scheduler import LRScheduler

    from bench.records import Outcome
    from strategies import Strategy

THEME = "learning rates"
STEPS = 10

#: Schedulers that write a rate of their own over each group's.
OVERWRITING: dict[str, Callable[[optim.Optimizer], LRScheduler]] = {
    "OneCycleLR": partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=STEPS + 1),
    "CyclicLR": partial(
        lr_scheduler.CyclicLR, base_lr=0.01, max_lr=0.1, step_size_up=5, cycle_momentum=False
    ),
    "CosineAnnealingLR": partial(lr_scheduler.CosineAnnealingLR, T_max=STEPS, eta_min=1e-3),
    "CosineAnnealingWarmRestarts": partial(
        lr_scheduler.CosineAnnealingWarmRestarts, T_0=STEPS, eta_min=1e-3
    ),
}


class LrRevived(Scenario):
    """A scheduler overwrites the learning rate of 0.

    Some schedulers write a rate of their own into every group: OneCycleLR and CyclicLR with one
    number for all, cosine schedules with `eta_min` above 0. A group at rate 0 comes back to life.
    """

    name = "lr-revived"
    theme = THEME
    mend = "give max_lr and base_lr per group and leave eta_min at 0"
    sources = (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.OneCycleLR.html",
        "https://docs.pytorch.org/docs/stable/generated/"
        "torch.optim.lr_scheduler.CosineAnnealingLR.html",
    )

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Ten steps under each such scheduler; with the mend, under one that multiplies."""
        makers = OVERWRITING
        if mended:
            makers = {"LambdaLR": partial(lr_scheduler.LambdaLR, lr_lambda=lambda step: 0.9**step)}

        def under(new_scheduler: Callable[[optim.Optimizer], LRScheduler]) -> Outcome:
            momentum = partial(optim.SGD, momentum=0.9)  # OneCycleLR cycles it
            loop = Loop(in_front(), again(strategy), new_optimizer=momentum)
            loop.freeze()
            scheduler = new_scheduler(loop.optimizer)
            loop.at_end = lambda _: scheduler.step()
            return still(loop.run(STEPS))

        return over({name: partial(under, make) for name, make in makers.items()})


class ZeroTimesInf(Scenario):
    """0 times an infinite gradient is NaN.

    0 × ∞ is NaN: one overflow in a gradient, and a rate of 0 or a mask that multiplies writes
    NaN into the weight.
    """

    name = "zero-times-inf"
    theme = THEME
    mend = OUT_OF_THE_OPTIMIZER
    sources = ("https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html",)

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """The gradient of the body's weight overflows, and that of the head does not."""
        loop = Loop(in_front(), strategy, holds_frozen=not mended)
        weight = loop.model.get_parameter("body.0.weight")
        weight.register_hook(_overflown)  # type: ignore[no-untyped-call]
        loop.freeze()
        return still(loop.run(2))


class RpropFloor(Scenario):
    """Rprop moves at learning rate 0.

    Rprop steps by the sign of the gradient and never less than `step_sizes[0]`, 1e-6, whatever
    the learning rate.
    """

    name = "rprop-floor"
    theme = THEME
    mend = OUT_OF_THE_OPTIMIZER
    sources = ("https://docs.pytorch.org/docs/stable/generated/torch.optim.Rprop.html",)

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Five steps from a fresh freeze."""
        rprop: Callable[[Any], optim.Optimizer] = optim.Rprop
        loop = Loop(in_front(), strategy, new_optimizer=rprop, holds_frozen=not mended)
        loop.freeze()
        return still(loop.run(5))


def _overflown(gradient: Tensor) -> Tensor:
    return torch.full_like(gradient, torch.inf)


SCENARIOS = (LrRevived, ZeroTimesInf, RpropFloor)
