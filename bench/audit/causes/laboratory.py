"""Where a training is begun again with one thing removed."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

import torch

from bench.audit.backwards import around_backward
from bench.audit.kept import still, tensors_at
from bench.audit.raised import told as told_error
from bench.audit.watching import watch_steps
from bench.measure.stillness import Stillness, same_bits
from bench.measure.unwrapped import unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from torch import Tensor, nn

    from bench.audit.intent import Intent
    from bench.audit.observation import Observation
    from bench.audit.subject import Subject, World
    from bench.measure.stillness import Place

    Removed = Callable[[Subject, nn.Module], AbstractContextManager[Any]]


class Laboratory:
    """The world of a training, with what it was at its beginning.

    Args:
        world: where it can be begun again.
        meant: what it means to freeze.
        kept: its frozen tensors at the beginning.
        told: is called with a few words before each repetition.

    Attributes:
        unrepeated: how a repetition ended that nothing was removed from, where it ended early.
    """

    def __init__(
        self, world: World, meant: Intent, kept: Stillness, told: Callable[[str], None]
    ) -> None:
        self.meant = meant
        self.kept = kept
        self.told = told
        self.unrepeated = ""
        self._world = world
        self._copy_of: Callable[[Tensor], Tensor | None] | None = getattr(world, "copy_of", None)

    @property
    def puts_back(self) -> bool:
        """Whether frozen tensors that moved are as before when the training is begun again."""
        return getattr(self._world, "kept_by", "copy") != "hash"

    def begin(self) -> tuple[Subject, nn.Module]:
        """The subject at its beginning, and its unwrapped model."""
        subject = self._world.begin()
        return subject, unwrapped(subject.model)

    def run(
        self,
        steps: int,
        removed: Removed | None = None,
        *,
        places: Collection[Place] = (),
        eager: bool = False,
        losses: list[Tensor] | None = None,
    ) -> Observation:
        """Run `steps` steps from the beginning within what `removed` makes of the subject.

        Args:
            steps: how many.
            removed: given the subject and its unwrapped model, a block to run the steps in.
            places: frozen tensors to watch.
            eager: run compiled parts as they were written.
            losses: where what is differentiated in each backward pass is put, as values.
        """
        subject, model = self.begin()
        kept = self.beginning(model, places)
        with ExitStack() as stack:
            if eager and "torch._dynamo" in sys.modules:
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            if losses is not None:
                stack.enter_context(around_backward(before=lambda given: _values(given, losses)))
            if removed is not None:
                stack.enter_context(removed(subject, model))
            return watch_steps(subject, self.meant, kept, steps, copy_of=self._copy_of)

    def ended_early(self, control: Observation, steps: int) -> bool:
        """Whether an unchanged repetition raised before `steps` steps that had been run before.

        What a step takes from an iterator, for one, is not there a second time.
        """
        if control.raised is None or control.steps >= steps:
            return False
        self.unrepeated = f"step {control.steps + 1} raised {told_error(control.raised)}"
        return True

    def beginning(self, model: nn.Module, places: Collection[Place]) -> Stillness:
        """The present values at `places`; copies that are there already are used again."""
        tensors = tensors_at(model, places)
        there = {}
        for place, tensor in tensors.items():
            before = self.kept.before(place)
            if before is not None and same_bits(before, tensor):
                there[place] = before
        if self.kept.kept_by == "hash":
            return still(tensors, "hash")
        return Stillness(tensors, "copy", there)


def _values(given: Any, losses: list[Tensor]) -> None:
    if isinstance(given, torch.Tensor):
        losses.append(given.detach().clone())
    elif isinstance(given, (list, tuple)):
        for one in given:
            _values(one, losses)
