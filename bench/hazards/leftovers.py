"""What an optimizer does with gradients and history from before the freeze, and with none."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import optim

from bench.hazards.judgement import over, still
from bench.hazards.loop import Loop, zero_to_none
from bench.hazards.models import in_front
from bench.hazards.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.records import Outcome
    from strategies import Strategy

THEME = "optimizer and its past"
OUT_OF_THE_OPTIMIZER = "make an optimizer that holds the trainable part only"

LR = 0.01
USUAL: dict[str, Callable[[Any], optim.Optimizer]] = {
    "SGD": optim.SGD,
    "momentum": partial(optim.SGD, momentum=0.9),
    "Adam": optim.Adam,
    "AdamW": optim.AdamW,
}


def zero_in_place(loop: Loop) -> None:
    """`zero_grad(set_to_none=False)`: what has a gradient has one of zeros afterwards."""
    loop.optimizer.zero_grad(set_to_none=False)


def zero_the_head(loop: Loop) -> None:
    """As loops do that think of what they train."""
    loop.model.get_submodule("head").zero_grad()


class StaleGradient(Scenario):
    """A gradient from before the freeze is applied again.

    An optimizer moves what has a `.grad`, whatever its `requires_grad` says: a gradient left
    from before the freeze, which the loop no longer clears, is applied again at every step.
    """

    name = "stale-gradient"
    theme = THEME
    mend = f"set .grad of the frozen part to None at the freeze, and {OUT_OF_THE_OPTIMIZER}"
    sources = (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.step.html",
        "https://github.com/neuralmagic/sparseml/issues/965",
    )

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Five steps before the freeze, five behind it, and only the head is cleared."""

        def under(new_optimizer: Callable[[Any], optim.Optimizer]) -> Outcome:
            loop = Loop(in_front(), again(strategy), lr=LR, new_optimizer=new_optimizer)
            loop.zero = zero_to_none
            loop.warm(5)
            if mended:
                loop.model.zero_grad()
                loop.holds_frozen = False
            loop.zero = zero_the_head
            loop.freeze()
            return still(loop.run(5))

        return over({name: partial(under, make) for name, make in USUAL.items()})


class ZeroedNotNone(Scenario):
    """zero_grad(set_to_none=False) keeps the optimizer going.

    `zero_grad(set_to_none=False)` leaves gradients of zeros, and for an optimizer a zero is a
    gradient: momentum, moments and weight decay go on.
    """

    name = "zeroed-not-none"
    theme = THEME
    mend = f"leave set_to_none at its default, True, and {OUT_OF_THE_OPTIMIZER}"
    sources = ("https://github.com/pytorch/pytorch/issues/18404",)

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Five steps before the freeze, five behind it, and gradients are cleared to zeros."""

        def under(new_optimizer: Callable[[Any], optim.Optimizer]) -> Outcome:
            loop = Loop(in_front(), again(strategy), lr=LR, new_optimizer=new_optimizer)
            loop.zero = zero_to_none if mended else zero_in_place
            loop.holds_frozen = not mended
            loop.warm(5)
            loop.freeze()
            return still(loop.run(5))

        return over({name: partial(under, make) for name, make in USUAL.items()})


class DecayOnMasked(Scenario):
    """Weight decay moves what has a masked gradient.

    Weight decay is added inside `step()`, behind every hook: a gradient that was masked to zeros
    still shrinks its weight.
    """

    name = "decay-on-masked"
    theme = THEME
    mend = f"weight_decay=0 for the frozen part; better, {OUT_OF_THE_OPTIMIZER}"
    sources = ("https://github.com/pytorch/pytorch/issues/38581",)

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """A fresh freeze, so there is no history: decay alone can move it."""
        decay = 0.0 if mended else 0.01
        makers: dict[str, Callable[[Any], optim.Optimizer]] = {
            "SGD": partial(optim.SGD, weight_decay=decay),
            "AdamW": partial(optim.AdamW, weight_decay=decay),
        }

        def under(new_optimizer: Callable[[Any], optim.Optimizer]) -> Outcome:
            loop = Loop(in_front(), again(strategy), lr=LR, new_optimizer=new_optimizer)
            loop.freeze()
            return still(loop.run(5))

        return over({name: partial(under, make) for name, make in makers.items()})


class MomentumCoasts(Scenario):
    """The optimizer's history goes on moving it.

    After a masked gradient the momentum and the moments from before the freeze are still there,
    and go on moving the weight until they have died away.
    """

    name = "momentum-coasts"
    theme = THEME
    mend = f"drop optimizer.state of the frozen part at the freeze; better, {OUT_OF_THE_OPTIMIZER}"
    sources = ("https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html",)

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Five steps before the freeze, five behind it, and gradients are cleared to None."""
        makers = {name: USUAL[name] for name in ("momentum", "Adam")}

        def under(new_optimizer: Callable[[Any], optim.Optimizer]) -> Outcome:
            loop = Loop(in_front(), again(strategy), lr=0.1, new_optimizer=new_optimizer)
            loop.warm(5)
            if mended:
                loop.optimizer.state.clear()
            loop.freeze()
            return still(loop.run(5))

        return over({name: partial(under, make) for name, make in makers.items()})


class DecaysEverything(optim.Optimizer):
    """A custom loop as in the first releases of Muon: a missing gradient is taken for zeros."""

    def __init__(self, params: Any, lr: float = LR, weight_decay: float = 0.01) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Decay, then the gradient's step."""
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    gradient = torch.zeros_like(parameter)
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(gradient, alpha=-group["lr"])


class ThirdPartyDecay(Scenario):
    """An optimizer moves parameters without a gradient.

    torch's optimizers pass over a parameter without a gradient. Loops of others may not: one
    that takes a missing gradient for zeros decays the weight all the same.
    """

    name = "third-party-decay"
    theme = THEME
    mend = OUT_OF_THE_OPTIMIZER
    sources = ("https://github.com/KellerJordan/Muon/issues/54",)

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """A fresh freeze under such an optimizer."""
        loop = Loop(in_front(), strategy, lr=LR, new_optimizer=DecaysEverything)
        loop.holds_frozen = not mended
        loop.freeze()
        return still(loop.run(5))


def again(strategy: Strategy) -> Strategy:
    """A fresh one of the same kind: an instance serves one model only."""
    return type(strategy)()


SCENARIOS = (StaleGradient, ZeroedNotNone, DecayOnMasked, MomentumCoasts, ThirdPartyDecay)
