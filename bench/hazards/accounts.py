"""What a frozen part keeps, adds up and counts in, though it does not move."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import optim
from torch.nn.utils import clip_grad_norm_

from bench.hazards.judgement import affected, immune, over
from bench.hazards.leftovers import OUT_OF_THE_OPTIMIZER, again
from bench.hazards.loop import Loop
from bench.hazards.models import in_front
from bench.hazards.scenario import Scenario
from strategies import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.records import Outcome

THEME = "kept and counted"


class StateForFrozen(Scenario):
    """The optimizer keeps state for the frozen part.

    An optimizer keeps state for whatever it was given and sees a gradient of; Adagrad makes it
    already when it is constructed. Learning rate 0 and masks change nothing about that.
    """

    name = "state-for-frozen"
    theme = THEME
    mend = OUT_OF_THE_OPTIMIZER
    sources = ("https://docs.pytorch.org/docs/stable/generated/torch.optim.Adagrad.html",)

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Bytes of state of frozen parameters after two steps from a fresh freeze."""
        makers: dict[str, Callable[[Any], optim.Optimizer]] = {
            "Adam": optim.Adam,
            "Adagrad": optim.Adagrad,
        }

        def under(new_optimizer: Callable[[Any], optim.Optimizer]) -> Outcome:
            loop = Loop(in_front(), again(strategy), new_optimizer=new_optimizer)
            loop.holds_frozen = not mended
            loop.freeze()
            return _of_state(loop.run(2))

        return over({name: partial(under, make) for name, make in makers.items()})


class GradientPileUp(Scenario):
    """Frozen gradients add up without end.

    `optimizer.zero_grad()` clears what the optimizer holds. Frozen parameters that it does not
    hold, and that still get gradients, add them up from step to step.
    """

    name = "gradient-pile-up"
    theme = THEME
    mend = "clear with model.zero_grad(), or switch requires_grad off"
    sources = ("https://discuss.pytorch.org/t/58156",)

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Norm of the frozen gradients behind each of four steps on one batch, without update."""
        norms: list[float] = []

        def clear(loop: Loop) -> None:
            (loop.model if mended else loop.optimizer).zero_grad()
            norms.append(_norm(loop.frozen_gradients()))

        loop = Loop(in_front(), strategy, lr=0.0, zero=clear)
        loop.batches = loop.batches[:1]
        loop.freeze()
        loop.run(4)
        if norms[-1] == 0:
            return immune("No frozen gradient is left behind a step.")
        told = ", ".join(f"{norm:.2g}" for norm in norms[1:])
        return affected(
            norms[-1] / norms[1],
            "times the first norm",
            f"The norm of the frozen gradients behind four equal steps: {told}.",
        )


class ClipCountsFrozen(Scenario):
    """Frozen gradients count in clip_grad_norm_.

    `clip_grad_norm_(model.parameters())` takes every gradient that is there. Frozen ones enlarge
    the norm, so the trainable part is scaled down for gradients that nobody applies.
    """

    name = "clip-counts-frozen"
    theme = THEME
    mend = "clip the trainable parameters alone"
    sources = (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html",
    )

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """The step of the trainable part, against one whose clipping saw that part alone."""
        got = _clipped_step(strategy, whole=not mended)
        expected = _clipped_step(Strategy(), whole=False)
        if got / expected > 1 - 1e-4:  # clip_grad_norm_ adds 1e-6 to the norm
            return immune("The trainable part's step is as if nothing else had been clipped.")
        return affected(
            1 - got / expected,
            "of the step lost",
            f"The trainable part's clipped step is {got:.3g} long instead of {expected:.3g}.",
        )


def _clipped_step(strategy: Strategy, *, whole: bool) -> float:
    def clip(loop: Loop) -> None:
        # Right behind the backward pass, as trainers do it: before a strategy clears anything.
        clip_grad_norm_(loop.model.parameters() if whole else loop.trainable(), 0.1)

    loop = Loop(in_front(), strategy, at_gradients=clip)
    loop.freeze()
    starts = [tensor.detach().clone() for tensor in loop.trainable()]
    loop.run(1)
    now = loop.trainable()
    return _norm([tensor.detach() - old for tensor, old in zip(now, starts, strict=True)])


def _of_state(loop: Loop) -> Outcome:
    state = loop.optimizer.state
    kept = [
        value
        for parameter in loop.meant.frozen_tensors(loop.model)
        for value in state.get(parameter, {}).values()
        if isinstance(value, torch.Tensor)
    ]
    size = sum(value.nbytes for value in kept)
    weights = sum(tensor.nbytes for tensor in loop.meant.frozen_tensors(loop.model))
    if not size:
        return immune("The optimizer keeps nothing for the frozen part.")
    return affected(
        size, "bytes", f"The optimizer keeps {size} bytes of state for {weights} of frozen weights."
    )


def _norm(tensors: list[torch.Tensor]) -> float:
    return float(sum(float(tensor.double().square().sum()) for tensor in tensors) ** 0.5)


SCENARIOS = (StateForFrozen, GradientPileUp, ClipCountsFrozen)
