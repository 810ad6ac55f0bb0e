"""What a scenario saw, as an outcome with its sentence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bench.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bench.hazards.loop import Loop, StoppedError
    from bench.records import Moved, OutcomeKind

_GRAVITY: tuple[OutcomeKind, ...] = (
    "not applicable",
    "immune",
    "affected",
    "moves",
    "severed",
    "error",
)
_LINE = 160


def immune(says: str) -> Outcome:
    """The hazard did nothing."""
    return Outcome("immune", says)


def affected(figure: float, unit: str, says: str) -> Outcome:
    """Something else than a movement, a cut or an exception, and how much of it."""
    return Outcome("affected", says, finite(figure), unit)


def stopped(error: StoppedError) -> Outcome:
    """The training ended in an exception."""
    return raised(error.__cause__ or error)


def raised(cause: BaseException) -> Outcome:
    """This exception is the outcome: its first line, or of a long one the first sentence."""
    line = (str(cause).strip().splitlines() or [""])[0]
    if len(line) > _LINE:
        line = line.split(". ")[0][:_LINE]
    kind = type(cause).__name__
    return Outcome("error", f"{kind}: {_ended(line)}", error=kind)


def still(loop: Loop) -> Outcome:
    """Whether all that is meant to be frozen is the same to the bit since the freeze."""
    moved = loop.moved()
    places = loop.kept.places
    if not moved:
        return immune(f"All {len(places)} frozen tensors are the same to the bit {_after(loop)}.")
    worst = max(moved, key=_telling)
    far = how_far(worst)
    relative = "" if worst.relative is None else f" ({worst.relative:.2g} of its norm)"
    by = f"by up to {far:.2g}{relative}" if math.isfinite(far) else "to infinity or NaN"
    others = f"; {len(moved)} of {len(places)} frozen tensors moved" if len(places) > 1 else ""
    return Outcome(
        "moves",
        f"{worst.name} moved {by} {_after(loop)}{others}.",
        finite(far),
        "largest change",
        moved=moved,
    )


def connected(loop: Loop) -> Outcome:
    """Whether all that is meant to be trained has had a gradient since the freeze."""
    severed = loop.severed()
    if not severed:
        return immune(f"All {len(loop.meant.trainable)} trainable parameters have a gradient.")
    return Outcome(
        "severed",
        f"{', '.join(severed)} had no gradient {_after(loop)}, and no error said so.",
        float(len(severed)),
        "parameters without gradient",
        severed=severed,
    )


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The gravest, and of these the one with the largest figure."""
    return max(outcomes, key=_gravity)


def over(variants: dict[str, Callable[[], Outcome]]) -> Outcome:
    """The gravest outcome among variants of a scenario, and in its sentence all of them."""
    found = {name: make() for name, make in variants.items()}
    gravest = worst(found.values())
    told = ", ".join(f"{name} {_briefly(outcome)}" for name, outcome in found.items())
    if gravest.kind == "immune":
        return replace(gravest, says=f"{gravest.says} So under {', '.join(found)}.")
    return replace(gravest, says=f"{gravest.says} One by one: {told}.")


def how_far(moved: Moved) -> float:
    """The largest change of an element; infinite where a record says `None`."""
    return math.inf if moved.max_abs is None else moved.max_abs


def _telling(moved: Moved) -> tuple[bool, float]:
    """A count of batches moves the farthest and says the least."""
    return not moved.name.endswith("num_batches_tracked"), how_far(moved)


def finite(figure: float) -> float | None:
    """JSON has no infinity."""
    return figure if math.isfinite(figure) else None


def _briefly(outcome: Outcome) -> str:
    if outcome.kind == "immune":
        return "0"
    if outcome.kind == "error":
        return outcome.error
    if outcome.figure is None:
        return "not finite"
    return f"{outcome.figure:.0f}" if outcome.figure >= 100 else f"{outcome.figure:.2g}"


def _gravity(outcome: Outcome) -> tuple[int, float]:
    return _GRAVITY.index(outcome.kind), math.inf if outcome.figure is None else outcome.figure


def _after(loop: Loop) -> str:
    return f"in {loop.steps} step{'' if loop.steps == 1 else 's'}"


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
