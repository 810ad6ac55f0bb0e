"""Two ways of switching the flags off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from bench.claims.claim import Claim, Judged, figure
from bench.workloads import ROSTER, Options, build
from bench.workloads.seeding import seeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.claims.laboratory import Laboratory


@dataclass(frozen=True)
class TwoWays:
    """What the two ways leave, over all networks.

    `differing` counts parameters whose flags differ, `on` those still on by `apply`. `set_by_apply`
    and `set_by_loop` count how often a flag was set.
    """

    networks: int
    parameters: int
    differing: int
    on: int
    set_by_apply: int
    set_by_loop: int


class ApplyEqualsLoop(Claim[TwoWays]):
    """`apply` with a lambda is the same as a loop."""

    number = 9
    source = "article"
    said = (
        "module.apply() with a lambda that switches the flags off does what a loop over all "
        "parameters does."
    )
    short = "apply() with a lambda does what the loop does"
    question = "Is `module.apply(lambda m: ...)` the same as a loop over `module.parameters()`?"
    rule = "holds if every flag of every network is the same after both; otherwise false."
    how = (
        "Both ways on copies of the frozen part of each built-in workload, and of networks with "
        "lists of modules, a tied weight and a parameter of the module itself."
    )

    def measure(self, laboratory: Laboratory) -> TwoWays:
        """Both ways on equal networks."""
        networks = parameters = differing = on = by_apply = by_loop = 0
        for applied, looped in zip(_networks(), _networks(), strict=True):
            count = 0

            def switch_off(module: nn.Module) -> None:
                nonlocal count
                for parameter in module.parameters():
                    parameter.requires_grad = False
                    count += 1

            applied.apply(switch_off)
            for parameter in looped.parameters():
                parameter.requires_grad = False
                by_loop += 1
            by_apply += count
            pairs = zip(applied.parameters(), looped.parameters(), strict=True)
            flags = [(a.requires_grad, b.requires_grad) for a, b in pairs]
            networks += 1
            parameters += len(flags)
            differing += sum(a != b for a, b in flags)
            on += sum(a for a, _ in flags)
        return TwoWays(networks, parameters, differing, on, by_apply, by_loop)

    def headline(self, outcome: TwoWays) -> str:
        """Flags that differ, of all."""
        return f"{outcome.differing} of {outcome.parameters} flags differ"

    def judge(self, outcome: TwoWays) -> Judged:
        """By the flags; how often they were set changes nothing."""
        said = [
            f"In {outcome.networks} networks with {outcome.parameters} parameters, "
            f"{outcome.differing} flags differ. Since apply() visits every module and each lists "
            f"its children's parameters, flags were set {outcome.set_by_apply} times instead of "
            f"{outcome.set_by_loop}; `module.requires_grad_(False)` is the short form of the loop."
        ]
        figures = [
            figure("flags that differ", outcome.differing, "tensors"),
            figure("flags set by apply", outcome.set_by_apply),
            figure("flags set by the loop", outcome.set_by_loop),
        ]
        same = not outcome.differing and not outcome.on
        return Judged("holds" if same else "false", said, figures)


class _Tied(nn.Module):
    """A weight under two names, a parameter of its own, and a list of modules."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.last = nn.Linear(4, 4)
        self.last.weight = self.layers[0].weight  # type: ignore[assignment]


def _networks() -> Iterator[nn.Module]:
    for name in ROSTER:
        workload = build(name, Options(batch=2))
        for pattern in workload.frozen:
            yield workload.model.get_submodule(pattern)
    with seeded(0):  # and left before the first is handed out
        others = [_Tied(), nn.TransformerEncoderLayer(8, 2, 16)]
    yield from others
