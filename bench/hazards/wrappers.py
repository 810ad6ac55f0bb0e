"""Helpers around the optimizer that a freeze surprises: the loss scaler, a running average."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from bench.hazards.judgement import affected, immune, still
from bench.hazards.leftovers import OUT_OF_THE_OPTIMIZER
from bench.hazards.loop import Loop, mean_square
from bench.hazards.models import in_front
from bench.hazards.scenario import Scenario
from strategies import find_tensor

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from bench.records import Outcome
    from strategies import Strategy

THEME = "wrappers"
AVERAGED = 10_000
DECAY = 0.999


class ScalerNoGrads(Scenario):
    """GradScaler with an optimizer that got no gradients.

    `GradScaler.step` checks the gradients of its optimizer for infinities, and stops the
    training if it found no gradient to check: "No inf checks were recorded for this optimizer".
    """

    name = "scaler-no-grads"
    theme = THEME
    mend = OUT_OF_THE_OPTIMIZER
    sources = ("https://docs.pytorch.org/docs/stable/amp.html#gradient-scaling",)

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """The body and the head have an optimizer each, where the strategy gives parameters."""
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)

        def scaled(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
            loss: Tensor = scaler.scale(mean_square(model, batch))
            return loss

        def update(loop: Loop) -> None:
            for optimizer in optimizers:
                scaler.step(optimizer)
            scaler.update()

        loop = Loop(in_front(), strategy, loss=scaled, update=update, holds_frozen=not mended)
        loop.freeze()
        optimizers = _apart(loop)
        return still(loop.run(2))


class EmaRounding(Scenario):
    """A running average of a frozen weight drifts.

    A running average of a constant, written as `d * average + (1 - d) * weight`, rounds at every
    step and drifts away from the weight. Written as `average + (1 - d) * (weight - average)`, as
    torch's own does, it stays.
    """

    name = "ema-rounding"
    theme = THEME
    mend = "average with torch.lerp, as torch.optim.swa_utils does, or leave frozen parts out"
    sources = ("https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema",)

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Ten thousand updates of the average, of which two are behind a step of training.

        Buffers are copied and not averaged, as is usual.
        """
        loop = Loop(in_front(), strategy)
        loop.freeze()
        average = {n: p.detach().clone() for n, p in loop.model.named_parameters()}
        frozen = [name for name in loop.meant.frozen if name in average]
        for _ in range(2):
            loop.run(1)
            _average(loop, average, list(average), mended=mended)
        for _ in range(AVERAGED - 2):
            _average(loop, average, frozen, mended=mended)
        if not frozen:
            return immune("The frozen part stands among the buffers, which are copied.")
        far = {
            name: float((average[name] - find_tensor(loop.model, name)).detach().abs().max())
            for name in frozen
        }
        name = max(far, key=lambda name: far[name])
        if far[name] == 0:
            return immune(f"After {AVERAGED} updates the average is the weight to the bit.")
        return affected(
            far[name],
            "largest difference",
            f"After {AVERAGED} updates the average of {name}, which stood still, is up to "
            f"{far[name]:.2g} away from it.",
        )


def _average(loop: Loop, average: dict[str, Tensor], names: list[str], *, mended: bool) -> None:
    mine = [average[name] for name in names]
    theirs = [find_tensor(loop.model, name).detach() for name in names]
    if not mine:
        return
    if mended:
        torch._foreach_lerp_(mine, theirs, 1 - DECAY)
    else:
        torch._foreach_mul_(mine, DECAY)
        torch._foreach_add_(mine, theirs, alpha=1 - DECAY)


def _apart(loop: Loop) -> list[Optimizer]:
    """The optimizer's parameters in one for the frozen and one for the trainable part."""
    frozen = {id(tensor) for tensor in loop.meant.frozen_tensors(loop.model)}
    made: list[Optimizer] = []
    for of_frozen in (True, False):
        groups = [
            {**copy.copy(group), "params": [
                p for p in group["params"] if (id(p) in frozen) is of_frozen
            ]}
            for group in loop.optimizer.param_groups
        ]  # fmt: skip
        groups = [group for group in groups if group["params"]]
        if groups:
            made.append(loop.new_optimizer(groups))
    return made


SCENARIOS = (ScalerNoGrads, EmaRounding)
