"""What the forum says about zeroing: whether gradients that no optimizer holds pile up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from bench.claims.claim import Claim, Judged, figure
from bench.claims.gradients import norm_of, step
from bench.claims.laboratory import training
from bench.measure.phases import PhaseMarks

if TYPE_CHECKING:
    from bench.claims.laboratory import Laboratory
    from bench.measure.training import Training


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
    short = "gradients outside the optimizer need no zeroing"
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
                norms.append(norm_of(t.grad for t in frozen if t.grad is not None))
        flagged = training("policy", "requires_grad")
        for _ in range(self._STEPS[-1]):
            flagged.step(PhaseMarks())
        off = flagged.partition.frozen_tensors(flagged.model)
        return PiledUp(
            steps=list(self._STEPS),
            norms=norms,
            with_flag_off=norm_of(t.grad for t in off if t.grad is not None),
            gradient_bytes=sum(t.grad.nbytes for t in frozen if t.grad is not None),
            clipped=self._clipped(trained),
            leaves=sum(t.is_leaf for t in frozen),
            frozen=len(frozen),
        )

    def _clipped(self, trained: Training) -> float:
        step(trained)
        mine = trained.partition.trainable_tensors(trained.model)
        kept = [t.grad.clone() for t in mine if t.grad is not None]
        torch.nn.utils.clip_grad_norm_(mine, self._MAX_NORM)
        alone = norm_of(t.grad for t in mine if t.grad is not None)
        for tensor, gradient in zip(mine, kept, strict=True):
            tensor.grad = gradient
        torch.nn.utils.clip_grad_norm_(trained.model.parameters(), self._MAX_NORM)
        return norm_of(t.grad for t in mine if t.grad is not None) / alone

    def headline(self, outcome: PiledUp) -> str:
        """Their norm at the beginning and the end."""
        first, last = outcome.norms[0], outcome.norms[-1]
        return f"their norm {first:.2g} → {last:.2g} in {outcome.steps[-1]} steps"

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
