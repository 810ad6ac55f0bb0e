"""Did the frozen part stay, and did the trainable part move as it should?

Bitwise first: a tensor has moved as soon as one bit of it differs. Then by how much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from bench.measure.phases import PhaseMarks
from bench.measure.stillness import frozen_tensors, how_far, same_bits
from bench.records import Drift, Moved
from strategies import find_tensor

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from bench.measure.training import Training


@dataclass(frozen=True)
class Reference:
    """What the trainable part should do: full gradients, an optimizer on that part alone.

    Attributes:
        updates: Δ of each trainable parameter after the steps, on the CPU.
        with_gradient: trainable parameters that received a gradient.
        repeat_error: how far the same training came out differently when repeated; 0 where the
            device computes the same bits each time.
    """

    updates: dict[str, Tensor]
    with_gradient: frozenset[str]
    repeat_error: float = 0.0

    @property
    def size(self) -> float:
        """‖Δref‖: how far the trainable part moved; NaN or infinite when training blew up."""
        return math.hypot(*(float(update.norm()) for update in self.updates.values()))

    def save(self, path: Path) -> None:
        """Write to a file that `load` reads."""
        stored = {**vars(self), "with_gradient": sorted(self.with_gradient)}
        torch.save(stored, path)

    @classmethod
    def load(cls, path: Path) -> Reference:
        """Read what `save` wrote."""
        stored = torch.load(path, weights_only=True, mmap=True)
        return cls(**{**stored, "with_gradient": frozenset(stored["with_gradient"])})


@dataclass(frozen=True)
class Observation:
    """What a few training steps did.

    Attributes:
        moved: frozen tensors that differ, bitwise.
        frozen_tensors: how many were compared.
        updates: Δ of each trainable parameter, on the CPU.
        with_gradient: trainable parameters that received a gradient at least once.
    """

    steps: int
    moved: list[Moved]
    frozen_tensors: int
    updates: dict[str, Tensor]
    with_gradient: frozenset[str]

    def reference(self, repeated: Observation) -> Reference:
        """What others are compared with; `repeated`, the same training again, is the yardstick."""
        once = Reference(self.updates, self.with_gradient)
        return replace(once, repeat_error=_update_error(repeated.updates, once) or 0.0)

    def drift(self, reference: Reference | None) -> Drift:
        """The record of this observation; without a reference, no comparison with one."""
        without = {name for name in self.updates if name not in self.with_gradient}
        if reference is not None:
            without &= reference.with_gradient  # a parameter that nothing ever uses is not severed
        return Drift(
            steps=self.steps,
            frozen_tensors=self.frozen_tensors,
            moved=self.moved,
            without_gradient=sorted(without),
            update_error=_update_error(self.updates, reference) if reference else None,
        )


def observe(training: Training, steps: int) -> Observation:
    """Train `steps` steps, each from its own seed, and compare before with after.

    Raises:
        NothingReachesTheLossError: the strategy cut the loss off from everything trainable.
    """
    model, partition = training.model, training.partition
    frozen = frozen_tensors(model, partition)
    trainable = {name: find_tensor(model, name) for name in partition.trainable}
    kept = {place: tensor.detach().clone() for place, tensor in frozen.items()}
    starts = {name: tensor.detach().clone() for name, tensor in trainable.items()}
    with_gradient: set[str] = set()

    def note_gradients() -> None:
        with_gradient.update(name for name, tensor in trainable.items() if tensor.grad is not None)

    marks = PhaseMarks(at_update=note_gradients)
    for number in range(steps):
        torch.manual_seed(training.recipe.seed + number)
        training.step(marks)
    after = frozen_tensors(model, partition)
    return Observation(
        steps=steps,
        moved=[
            how_far(place, before, after[place])
            for place, before in kept.items()
            if not bitwise_equal(before, after[place])
        ],
        frozen_tensors=len(kept),
        updates={
            name: (tensor.detach() - starts[name]).float().cpu()
            for name, tensor in trainable.items()
        },
        with_gradient=frozenset(with_gradient),
    )


def bitwise_equal(before: Tensor, after: Tensor) -> bool:
    """Whether two tensors of one shape and dtype hold the same bits. NaN never does."""
    if before.is_floating_point() and bool(after.isnan().any()):
        return False
    return same_bits(before, after)


def _update_error(updates: dict[str, Tensor], reference: Reference) -> float | None:
    """‖Δ - Δref‖ / ‖Δref‖ over all trainable parameters; ‖Δ‖ where Δref is zero."""
    error = math.hypot(
        *(float((updates[name] - expected).norm()) for name, expected in reference.updates.items())
    )
    return _finite(error / reference.size if reference.size else error)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
