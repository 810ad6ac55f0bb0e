"""How steps are counted between two looks, in as little time as a hook can take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.optim import Optimizer


class Pace:
    """The steps so far, and when the next look is due.

    A hook behind each optimizer step finds the caches cold: a microsecond of Python takes four. So
    once a single optimizer is known to hold the model, its steps are counted here and nothing else
    is done until a look is due.

    Args:
        every: steps from look to look.

    Attributes:
        steps: so far.
        only: `id` of the one optimizer whose steps need nothing but to be counted; 0 if there is
            none. An optimizer is not kept alive for this.
    """

    __slots__ = ("due", "every", "only", "steps")

    def __init__(self, every: int) -> None:
        self.every = every
        self.steps = 0
        self.due = every
        self.only = 0

    def count(self) -> bool:
        """Count a step; whether a look is due."""
        self.steps += 1
        if self.steps < self.due:
            return False
        self.due = self.steps + self.every
        return True

    def hook(
        self, behind_step: Callable[[Optimizer], object]
    ) -> Callable[[Optimizer, Any, Any], None]:
        """What torch is to call behind each step; `behind_step` is for all that is not quiet."""

        def hook(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            if id(optimizer) == self.only and self.steps + 1 < self.due:
                self.steps += 1
            else:
                behind_step(optimizer)

        return hook
