"""Where in a step the training is: what the four marks mean to an instrument."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

PhaseName = Literal["forward", "backward", "update"]


class PhaseMarks:
    """Stands in for a clock: follows the phases of a step instead of timing them.

    Args:
        at_update: called where the backward pass is over and the update begins.
        follow: called with the name of each phase as it begins.
    """

    _ORDER: tuple[PhaseName | None, ...] = ("forward", "backward", "update", None)

    def __init__(
        self,
        at_update: Callable[[], None] | None = None,
        follow: Callable[[PhaseName], None] | None = None,
    ) -> None:
        self._at_update = at_update
        self._follow = follow
        self._count = 0

    def __call__(self, *_: object) -> None:
        """One of the four marks of a step was passed."""
        phase = self._ORDER[self._count % len(self._ORDER)]
        self._count += 1
        if phase is not None and self._follow is not None:
            self._follow(phase)
        if phase == "update" and self._at_update is not None:
            self._at_update()
