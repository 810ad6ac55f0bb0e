"""Whether the flags have to be set after the weights are there and before training begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.claims.claim import Claim, Judged, figure, listed
from bench.claims.late.compiled import compiled
from bench.claims.late.midway import MIDWAY, OPTIMIZERS, drift_midway, flags_before_the_weights
from bench.claims.late.wrapped import wrapped

if TYPE_CHECKING:
    from bench.claims.laboratory import Laboratory
    from bench.claims.late.compiled import Compiled
    from bench.claims.late.wrapped import Wrapped


@dataclass(frozen=True)
class LateFlags:
    """What became of flags that were set at other moments.

    Attributes:
        stay_off: by the way the weights came later, whether flags that were off stayed off.
        midway: largest change of a frozen weight, by what became of the last gradients and by
            optimizer.
        wrapped: by moment.
        compiled: by backend and moment.
    """

    stay_off: dict[str, bool]
    midway: dict[str, dict[str, float]]
    wrapped: dict[str, Wrapped]
    compiled: dict[str, dict[str, Compiled]]


class BeforeTheLoop(Claim[LateFlags]):
    """The right moment for the flags."""

    number = 10
    source = "article"
    said = (
        "requires_grad must be set after the front end is initialised and before the training "
        "loop begins."
    )
    short = "the flag must be set before the training loop"
    question = "When must I set `requires_grad = False`?"
    rule = (
        "holds if no later moment works; false if every later moment does; otherwise it holds only "
        "where a later freeze meets what does not work. A moment works if the frozen part stays to "
        "the bit and the rest gets the gradients that it gets with the flags set first."
    )
    how = (
        "Flags set before weights are loaded; in mid-training under three optimizers; before and "
        "after a DistributedDataParallel wrap (gloo, two processes); before and after "
        "torch.compile, and after its first step."
    )

    def measure(self, laboratory: Laboratory) -> LateFlags:
        """At every moment."""
        return LateFlags(
            stay_off=flags_before_the_weights(),
            midway={
                MIDWAY[key]: {name: drift_midway(name, key) for name in OPTIMIZERS}
                for key in MIDWAY
            },
            wrapped=wrapped(),
            compiled=compiled(),
        )

    def headline(self, outcome: LateFlags) -> str:
        """Later moments that work, of those tried."""
        works = _works(outcome)
        return f"{sum(works.values())} of {len(works)} later moments work"

    def judge(self, outcome: LateFlags) -> Judged:
        """By which of the later moments work."""
        works = _works(outcome)
        early = next(iter(outcome.wrapped))
        failing = [name for name, ok in works.items() if not ok]
        said = _said(outcome, works) + _before(outcome)
        if not outcome.wrapped[early].works:
            said.append(f"Even set {early}, {outcome.wrapped[early].error or 'it did not work'}.")
        figures = [
            figure("later moments that work", sum(works.values())),
            figure("later moments tried", len(works)),
        ]
        figures += [
            figure(f"moved, {name}: {optimizer}", size)
            for name, sizes in outcome.midway.items()
            for optimizer, size in sizes.items()
        ]
        if not failing:
            return Judged("false", said, figures)
        if len(failing) == len(works):
            return Judged("holds", said, figures)
        condition = "a later freeze would meet one of these: " + "; ".join(failing)
        return Judged("holds only when", said, figures, condition)


def _ddp(moment: str) -> str:
    return f"DistributedDataParallel, set {moment}"


def _works(outcome: LateFlags) -> dict[str, bool]:
    """Which of the later moments work."""
    works = {name: not any(sizes.values()) for name, sizes in outcome.midway.items()}
    _, *later = outcome.wrapped
    works |= {_ddp(moment): outcome.wrapped[moment].works for moment in later}
    for backend, moments in outcome.compiled.items():
        for moment in list(moments)[1:]:
            works[f"torch.compile ({backend}), {moment}"] = moments[moment].works
    return works


def _said(outcome: LateFlags, works: dict[str, bool]) -> list[str]:
    said = []
    for name, sizes in outcome.midway.items():
        moved = [f"{size:.2g} with {optimizer}" for optimizer, size in sizes.items() if size]
        said.append(
            f"In mid-training with {name}: "
            + (
                f"a frozen weight goes on moving, by {listed(moved)}."
                if moved
                else "nothing moves."
            )
        )
    for moment, found in outcome.wrapped.items():
        if found.works or moment == next(iter(outcome.wrapped)):
            continue
        doubts = [
            told
            for told, is_so in (
                ("the frozen part moves", not found.still),
                ("the processes' weights part", not found.agree),
                (f'it raises "{found.error}"', bool(found.error)),
            )
            if is_so
        ]
        said.append(f"{_ddp(moment)}: {listed(doubts) or 'other updates than before the wrap'}.")
    fine = [name for name, ok in works.items() if ok and name not in outcome.midway]
    if fine:
        said.append(f"Nothing is lost with {listed(fine)}.")
    return said


def _before(outcome: LateFlags) -> list[str]:
    stay = [way for way, off in outcome.stay_off.items() if off]
    lost = [way for way, off in outcome.stay_off.items() if not off]
    said = []
    if stay:
        said.append(f"Set before the weights come, the flags stay off through {listed(stay)}.")
    if lost:
        said.append(f"They are lost with {listed(lost)}.")
    return said
