"""What the forum says about gradients: who gets one, and through what."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from bench.claims.claim import Claim, Judged, figure, listed
from bench.claims.laboratory import TOPOLOGIES, training
from bench.measure.phases import PhaseMarks
from bench.measure.stillness import same_bits
from strategies import distinct, find_tensor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from bench.claims.laboratory import Laboratory
    from bench.measure.training import Training

ROUNDING = 1e-5
"""A relative difference that another order of a sum may make in float32."""


@dataclass(frozen=True)
class StoredGradients:
    """Frozen parameters of all workloads, and how many have a `.grad` after a backward pass."""

    frozen: int
    with_flag_off: int
    with_flag_on: int


class NoGradientStored(Claim[StoredGradients]):
    """A parameter whose flag is off gets no `.grad`."""

    number = 1
    source = "forum"
    said = "requires_grad = False keeps backward() from storing a gradient in a parameter."
    short = "the flag keeps a gradient from being stored"
    question = "Does `param.requires_grad = False` keep a gradient from being stored?"
    rule = (
        "holds if no frozen parameter has a `.grad` after backward with the flag off, and with the "
        "flag on at least one has; false if one has it with the flag off."
    )
    how = "One backward pass of each workload with the flag off and one with it on."

    def measure(self, laboratory: Laboratory) -> StoredGradients:
        """One backward pass a workload, with and without the flag."""
        found = {"requires_grad": 0, "full": 0}
        frozen = 0
        for workload in TOPOLOGIES.values():
            for strategy in found:
                trained = training(workload, strategy)
                gradients = _gradients(trained, trained.partition.frozen)
                found[strategy] += len(gradients)
            frozen += len(trained.partition.frozen)
        return StoredGradients(frozen, found["requires_grad"], found["full"])

    def headline(self, outcome: StoredGradients) -> str:
        """Stored with the flag on and off."""
        return f"{outcome.with_flag_on} gradients → {outcome.with_flag_off}"

    def judge(self, outcome: StoredGradients) -> Judged:
        """By the count; a control without any gradient shows nothing."""
        if outcome.with_flag_off:
            verdict = "false"
        else:
            verdict = "holds" if outcome.with_flag_on else "can't tell"
        return Judged(
            verdict,  # type: ignore[arg-type]
            [
                f"With the flag off, {outcome.with_flag_off} of {outcome.frozen} frozen parameters "
                f"have a gradient after backward(); with the flag on, {outcome.with_flag_on} have."
            ],
            [
                figure("with the flag off", outcome.with_flag_off, "tensors"),
                figure("with the flag on", outcome.with_flag_on, "tensors"),
            ],
        )


@dataclass(frozen=True)
class OthersGradients:
    """How gradients of what is trained differ between flag on and off, by topology.

    `differing` counts tensors that differ in a bit or are missing; `relative` is ‖difference‖ over
    ‖gradient‖.
    """

    compared: dict[str, int]
    differing: dict[str, int]
    relative: dict[str, float]


class OthersUnaffected(Claim[OthersGradients]):
    """Gradients of the others stay what they were."""

    number = 2
    source = "forum"
    said = "Setting requires_grad = False on some parameters leaves the others' gradients alone."
    short = "the others' gradients stay the same"
    question = "Does freezing some parameters change the gradients of the others?"
    rule = (
        "holds if every gradient of a trainable parameter is the same to the bit with the flag of "
        f"the frozen ones on and off; holds only up to rounding if they differ by {ROUNDING:g} of "
        "their size at most; otherwise false."
    )
    how = "The same batch, with the flag on and off, frozen part in front, in the middle, behind."

    def measure(self, laboratory: Laboratory) -> OthersGradients:
        """The same batch with the flag on and off."""
        compared: dict[str, int] = {}
        differing: dict[str, int] = {}
        relative: dict[str, float] = {}
        for topology, workload in TOPOLOGIES.items():
            on, off = training(workload, "full"), training(workload, "requires_grad")
            expected = _gradients(on, on.partition.trainable)
            found = _gradients(off, off.partition.trainable)
            compared[topology] = len(expected)
            pairs = [(tensor, found.get(name)) for name, tensor in expected.items()]
            differing[topology] = sum(b is None or not same_bits(a, b) for a, b in pairs)
            off_by = norm_of(a if b is None else a - b for a, b in pairs)
            relative[topology] = off_by / norm_of(expected.values())
        return OthersGradients(compared, differing, relative)

    def headline(self, outcome: OthersGradients) -> str:
        """Those that differ, of all compared."""
        differing, total = sum(outcome.differing.values()), sum(outcome.compared.values())
        return f"{differing} of {total} gradients differ"

    def judge(self, outcome: OthersGradients) -> Judged:
        """Bitwise first, then by size."""
        moved = [topology for topology, count in outcome.differing.items() if count]
        worst = max(outcome.relative.values())
        figures = [
            figure(f"differing, frozen part {topology}", count, "tensors")
            for topology, count in outcome.differing.items()
        ]
        if not moved:
            total = sum(outcome.compared.values())
            said = f"All {total} gradients are the same to the bit in all three topologies."
            return Judged("holds", [said], figures)
        figures.append(figure("largest relative difference", worst))
        said = (
            f"Gradients differ with the frozen part {listed(moved)}, by {worst:.1e} of their size."
        )
        if worst <= ROUNDING:
            return Judged(
                "holds only when", [said], figures, "rounding in the last bits does not matter"
            )
        return Judged("false", [said], figures)


@dataclass(frozen=True)
class ThroughFrozen:
    """A new layer at the input, by whether the flags of what is behind are off.

    `reached` says that all its parameters got a gradient; `moved` and `others_moved` count tensors
    that the steps changed, of it and of the rest.
    """

    steps: int
    reached: dict[str, bool]
    moved: dict[str, int]
    others_moved: dict[str, int]
    loss_before: float
    loss_after: float


class ReachesTheInput(Claim[ThroughFrozen]):
    """The gradient passes through what is frozen."""

    number = 3
    source = "forum"
    said = (
        "With everything behind it frozen, a new layer at the input still gets its gradient, and "
        "an optimizer that holds only its parameters trains only it."
    )
    short = "a new first layer trains through a frozen network"
    question = "Can I train only a new first layer, through a network that is frozen?"
    rule = (
        "holds if every parameter of the new layer gets a gradient and moves while nothing else "
        "moves in a bit, with the flags of the rest off and on, and the loss falls; holds only "
        "when the flags are off (or on) if it is so in one of the two; otherwise false."
    )
    how = "100 steps of the workload `adapter`, by requires_grad and by the optimizer alone."
    _STEPS = 100

    def measure(self, laboratory: Laboratory) -> ThroughFrozen:
        """Train the adapter in both ways."""
        reached: dict[str, bool] = {}
        moved: dict[str, int] = {}
        others: dict[str, int] = {}
        before, after = math.nan, math.nan
        for state, strategy in (("off", "requires_grad"), ("on", "optimizer_subset")):
            trained = training("adapter", strategy)
            model, partition = trained.model, trained.partition
            start = {name: t.detach().clone() for name, t in model.state_dict().items()}
            losses: list[float] = []
            gradients: list[int] = []
            for _ in range(self._STEPS):
                step(trained, losses)
                gradients.append(len(_present(trained, partition.trainable)))
                trained.optimizer.zero_grad()
            changed = {n for n, t in model.state_dict().items() if not same_bits(start[n], t)}
            reached[state] = min(gradients) == len(partition.trainable)
            moved[state] = len(changed & set(partition.trainable))
            others[state] = len(changed - set(partition.trainable))
            once = len(trained.batches)
            before, after = fmean(losses[:once]), fmean(losses[-once:])
        return ThroughFrozen(self._STEPS, reached, moved, others, before, after)

    def headline(self, outcome: ThroughFrozen) -> str:
        """The loss before and after."""
        return f"loss {outcome.loss_before:.2f} → {outcome.loss_after:.2f}"

    def judge(self, outcome: ThroughFrozen) -> Judged:
        """In both ways, in one, or in none."""
        works = [
            state
            for state in outcome.reached
            if outcome.reached[state] and outcome.moved[state] and not outcome.others_moved[state]
        ]
        fell = outcome.loss_after < outcome.loss_before
        said = [
            f"In {outcome.steps} steps the loss of the batches went from {outcome.loss_before:.3f} "
            f"to {outcome.loss_after:.3f}; {max(outcome.others_moved.values())} tensors outside "
            "the new layer moved."
        ]
        figures = [
            figure("loss before", outcome.loss_before),
            figure("loss after", outcome.loss_after),
            figure("others that moved", max(outcome.others_moved.values()), "tensors"),
        ]
        if not works or not fell:
            return Judged("false", said, figures)
        if len(works) < len(outcome.reached):
            condition = f"the flags of the frozen part are {works[0]}"
            return Judged("holds only when", said, figures, condition)
        return Judged("holds", said, figures)


def step(trained: Training, losses: list[float] | None = None) -> None:
    """One step after which gradients are still there."""
    marks = PhaseMarks()

    def forward_done(loss: Tensor) -> None:
        if losses is not None:
            losses.append(float(loss.detach()))
        marks()

    trained.step(marks, forward_done, zero=False)


def _gradients(trained: Training, names: Iterable[str]) -> dict[str, Tensor]:
    """The gradients of these parameters on the first batch."""
    step(trained)
    return _present(trained, names)


def _present(trained: Training, names: Iterable[str]) -> dict[str, Tensor]:
    named = {name: find_tensor(trained.model, name) for name in names}
    return {name: t.grad for name, t in named.items() if t.grad is not None}


def norm_of(tensors: Iterable[Tensor]) -> float:
    """The norm of all of them together."""
    return math.hypot(*(float(tensor.detach().norm()) for tensor in distinct(tensors)))
