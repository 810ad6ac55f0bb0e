"""What the drift of a cell means, in a word and in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.records import Drift, Moved, Verdict

# How far the trainable update may differ from the reference's, by the dtype of the arithmetic:
# far above the rounding of equal sums in another order, far below a real difference.
UPDATE_TOLERANCE = {"float32": 1e-3, "bfloat16": 3e-2, "float16": 1e-2}

NOTHING_REACHES_THE_LOSS = (
    "nothing trainable reaches the loss, so backward cannot run: the gradient is cut between the "
    "loss and the trainable part"
)


NOISE_FACTOR = 5
"""A device that computes other bits each time may differ so many times its own repeat error."""


def judge(
    drift: Drift, dtype: str, *, is_reference: bool = False, repeat_error: float = 0.0
) -> tuple[Verdict, str]:
    """The verdict on a drift, and its reason with names and figures (empty for `ok`)."""
    if is_reference:
        return "reference", _reference_note(drift)
    reasons: list[tuple[Verdict, str]] = []
    if drift.without_gradient:
        names = _listed(drift.without_gradient)
        reasons.append(("severed", f"trainable, but never given a gradient: {names}"))
    if drift.moved:
        reasons.append(("leaks", f"frozen, but moved in {drift.steps} steps: {_moves(drift)}"))
    error = drift.update_error
    tolerance = max(UPDATE_TOLERANCE[dtype], NOISE_FACTOR * repeat_error)
    if not drift.without_gradient and (error is None or error > tolerance):
        size = "is not finite" if error is None else f"is off by {error:.2g} of its size"
        reasons.append(("diverges", f"the trainable update {size} (tolerance {tolerance:g})"))
    if not reasons:
        return "ok", ""
    return reasons[0][0], "; ".join(reason for _, reason in reasons)


def _reference_note(drift: Drift) -> str:
    if drift.without_gradient:
        return f"the model never uses {_listed(drift.without_gradient)}"
    return ""


def _moves(drift: Drift) -> str:
    largest = sorted(drift.moved, key=_size, reverse=True)
    kinds = {"parameter": "", "buffer": " (buffer)", "effective weight": " (effective weight)"}
    told = [f"{move.name}{kinds[move.kind]} by {_figure(move)}" for move in largest[:3]]
    rest = len(largest) - len(told)
    return ", ".join(told) + (f" and {rest} more of {drift.frozen_tensors}" if rest else "")


def _size(move: Moved) -> float:
    return float("inf") if move.max_abs is None else move.max_abs


def _figure(move: Moved) -> str:
    return "NaN or infinity" if move.max_abs is None else f"{move.max_abs:.2g}"


def _listed(names: list[str]) -> str:
    rest = len(names) - 3
    return ", ".join(names[:3]) + (f" and {rest} more" if rest > 0 else "")
