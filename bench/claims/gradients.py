"""What the forum says about gradients: who gets one, and who has to be zeroed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import torch

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
            off_by = _norm(a if b is None else a - b for a, b in pairs)
            relative[topology] = off_by / _norm(expected.values())
        return OthersGradients(compared, differing, relative)

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
                _step(trained, losses)
                gradients.append(len(_present(trained, partition.trainable)))
                trained.optimizer.zero_grad()
            changed = {n for n, t in model.state_dict().items() if not same_bits(start[n], t)}
            reached[state] = min(gradients) == len(partition.trainable)
            moved[state] = len(changed & set(partition.trainable))
            others[state] = len(changed - set(partition.trainable))
            once = len(trained.batches)
            before, after = fmean(losses[:once]), fmean(losses[-once:])
        return ThroughFrozen(self._STEPS, reached, moved, others, before, after)

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


@dataclass(frozen=True)
class PiledUp:
    """Gradients of the frozen part under the optimizer's zero_grad alone.

    `norms` are ‖grad‖ of the frozen part after the first step, at a third, two thirds and the end;
    `with_flag_off` is the last one with `requires_grad` off. `clipped` is the size of the trainable
    part's gradient after clipping the whole model's to `max_norm` at the end, over its size when
    clipped alone.
    """

    steps: list[int]
    norms: list[float]
    with_flag_off: float
    gradient_bytes: int
    clipped: float
    leaves: int
    frozen: int


class NothingToZero(Claim[PiledUp]):
    """Whether gradients outside of the optimizer pile up."""

    number = 4
    source = "forum"
    said = (
        "The optimizer's zero_grad() is enough when it holds only some parameters: the others' "
        "gradients need no zeroing, as gradients accumulate in leaf variables alone."
    )
    question = "Must I zero the gradients of parameters that my optimizer does not hold?"
    rule = (
        "false if, with the optimizer holding the rest alone, the norm of the frozen gradients is "
        "larger after the last step than after the first; otherwise holds."
    )
    how = (
        "300 steps of the article's first network at batch 16 with an optimizer over the policy "
        "alone and its zero_grad(); then clip_grad_norm_ over the model at the last step."
    )
    _STEPS = (1, 100, 200, 300)
    _MAX_NORM = 1.0

    def measure(self, laboratory: Laboratory) -> PiledUp:
        """Train with the optimizer alone, and look at what nobody zeroes."""
        trained = training("policy", "optimizer_subset")
        frozen = trained.partition.frozen_tensors(trained.model)
        norms = []
        for number in range(1, self._STEPS[-1] + 1):
            trained.step(PhaseMarks())
            if number in self._STEPS:
                norms.append(_norm(t.grad for t in frozen if t.grad is not None))
        flagged = training("policy", "requires_grad")
        for _ in range(self._STEPS[1]):
            flagged.step(PhaseMarks())
        off = flagged.partition.frozen_tensors(flagged.model)
        return PiledUp(
            steps=list(self._STEPS),
            norms=norms,
            with_flag_off=_norm(t.grad for t in off if t.grad is not None),
            gradient_bytes=sum(t.grad.nbytes for t in frozen if t.grad is not None),
            clipped=self._clipped(trained),
            leaves=sum(t.is_leaf for t in frozen),
            frozen=len(frozen),
        )

    def _clipped(self, trained: Training) -> float:
        _step(trained)
        mine = trained.partition.trainable_tensors(trained.model)
        kept = [t.grad.clone() for t in mine if t.grad is not None]
        torch.nn.utils.clip_grad_norm_(mine, self._MAX_NORM)
        alone = _norm(t.grad for t in mine if t.grad is not None)
        for tensor, gradient in zip(mine, kept, strict=True):
            tensor.grad = gradient
        torch.nn.utils.clip_grad_norm_(trained.model.parameters(), self._MAX_NORM)
        return _norm(t.grad for t in mine if t.grad is not None) / alone

    def judge(self, outcome: PiledUp) -> Judged:
        """By whether they grow."""
        grown = outcome.norms[-1] > outcome.norms[0]
        said = [
            f"{outcome.leaves} of {outcome.frozen} frozen parameters are leaves. The norm of their "
            f"gradients is {outcome.norms[0]:.3g} after the first step and {outcome.norms[-1]:.3g} "
            f"after {outcome.steps[-1]}; with requires_grad off it is {outcome.with_flag_off:.3g}.",
            f"They keep {outcome.gradient_bytes:,} bytes, and clip_grad_norm_ over the whole model "
            f"leaves the trained part {outcome.clipped:.0%} of the gradient that it has when "
            "clipped alone.",
        ]
        figures = [
            figure(f"norm after step {step}", norm)
            for step, norm in reversed(list(zip(outcome.steps, outcome.norms, strict=True)))
        ]
        figures += [
            figure("norm with the flag off", outcome.with_flag_off),
            figure("gradients kept", outcome.gradient_bytes, "bytes"),
            figure("clipped gradient of the trained part", outcome.clipped, "×"),
        ]
        return Judged("false" if grown else "holds", said, figures)


def _step(trained: Training, losses: list[float] | None = None) -> None:
    """One step after which gradients are still there."""
    marks = PhaseMarks()

    def forward_done(loss: Tensor) -> None:
        if losses is not None:
            losses.append(float(loss.detach()))
        marks()

    trained.step(marks, forward_done, zero=False)


def _gradients(trained: Training, names: Iterable[str]) -> dict[str, Tensor]:
    """The gradients of these parameters on the first batch."""
    _step(trained)
    return _present(trained, names)


def _present(trained: Training, names: Iterable[str]) -> dict[str, Tensor]:
    named = {name: find_tensor(trained.model, name) for name in names}
    return {name: t.grad for name, t in named.items() if t.grad is not None}


def _norm(tensors: Iterable[Tensor]) -> float:
    return math.hypot(*(float(tensor.detach().norm()) for tensor in distinct(tensors)))
