"""What a step would save with the frozen part's `requires_grad` off, by counting both."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.audit.amounts import flops as said_flops
from bench.audit.amounts import sized
from bench.audit.eager import eager
from bench.measure.counters import OperatorCounts
from bench.measure.memory import SavedStorages
from bench.measure.unwrapped import unwrapped
from bench.records import Finding
from bench.rules import RULES
from strategies import find_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from bench.audit.subject import World


@dataclass(frozen=True)
class _Count:
    """Of one step: FLOPs of forward and backward, and the most bytes saved for backward at once."""

    flops: int
    saved_bytes: int | None


class _PeakSaved(SavedStorages):
    """Remembers the most that the graph kept at once."""

    peak_bytes = 0

    def _pack(self, tensor: Tensor) -> Tensor:
        kept = super()._pack(tensor)
        self.peak_bytes = max(self.peak_bytes, self.bytes)
        return kept


def saving(world: World, names: Sequence[str], place: str, mend: str) -> list[Finding]:
    """A finding with what a step would save if these frozen parameters required no gradient.

    Args:
        world: is begun twice.
        names: of frozen parameters whose `requires_grad` is on.
        place: the same in a sentence.
        mend: a line of code that puts it off.

    Returns:
        Nothing where nothing would be saved, or where the step doesn't run with them off (it may
        use their gradients, to clear or to mask them).
    """
    before = _counted(world, ())
    after = _counted(world, names)
    if before is None or after is None:
        return []
    flops = before.flops - after.flops
    kept = None
    if before.saved_bytes is not None and after.saved_bytes is not None:
        kept = before.saved_bytes - after.saved_bytes
    if flops <= 0 and (kept or 0) <= 0:
        return []
    figures: dict[str, float] = {"step_flops": before.flops, "saved_flops": flops}
    if before.flops:
        figures["saved_flops_share"] = flops / before.flops
    said = (
        [f"{said_flops(flops)} ({flops / before.flops:.0%})"] if before.flops and flops > 0 else []
    )
    if kept is not None and before.saved_bytes:
        figures |= {
            "activation_bytes": before.saved_bytes,
            "saved_activation_bytes": kept,
            "saved_activation_share": kept / before.saved_bytes,
        }
        if kept > 0:
            share = kept / before.saved_bytes
            said.append(f"{sized(kept)} kept for backward ({share:.0%})")
    what = " and ".join(said)
    return [
        Finding(
            rule="wasted-backward",
            severity=RULES["wasted-backward"].severity,
            where=list(names),
            what=f"a step spends {what} on gradients of {place}, which are not used",
            why="requires_grad is on for frozen parameters, so autograd records what they do and "
            "differentiates it; the strategy requires_grad does neither",
            mend=mend,
            decided_by=f"a step with requires_grad off for them was counted from the same "
            f"beginning: {said_flops(after.flops)} instead of {said_flops(before.flops)}"
            + (
                ""
                if kept is None
                else f", {sized(after.saved_bytes or 0)} instead of "
                f"{sized(before.saved_bytes or 0)} kept for backward"
            ),
            figures=figures,
        )
    ]


def _counted(world: World, off: Sequence[str]) -> _Count | None:
    """One step from the beginning with `requires_grad` off for these; `None` if it raises."""
    subject = world.begin()
    model = unwrapped(subject.model)
    parameters = [find_tensor(model, name) for name in off]
    for parameter in parameters:
        parameter.requires_grad_(False)
        parameter.grad = None
    counts = OperatorCounts()
    saved = _PeakSaved([*model.parameters(), *model.buffers()])
    try:
        with eager(), ExitStack() as stack:
            stack.enter_context(counts)
            stack.enter_context(saved)
            subject.step()
    except (
        Exception,
        SystemExit,
    ):  # the user's step may do anything with gradients that are not there
        return None
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
    return _Count(sum(counts.flops.values()), saved.peak_bytes)
