"""Losses with nothing changed, beside which others are clearly others, or are not."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from bench.measure.stillness import same_bits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor, nn

    from bench.audit.causes.laboratory import Laboratory, Removed
    from bench.audit.subject import Subject

_REPEATS = 3
_CLEARLY = 32.0
"""Times that by which repetitions differ, where they do: kernels that add up in any order."""
_ULPS = 64.0
"""A difference that rounding can make once in a while, though repetitions happened to agree."""


@dataclass(frozen=True)
class Unchanged:
    """The losses of steps that nothing was changed in, and how far repetitions are apart.

    Attributes:
        losses: what was differentiated, in order.
        apart: the largest difference between repetitions, in relation to the loss.
        undecided: why another loss would say nothing; empty if it would.
    """

    losses: list[Tensor]
    apart: float = 0.0
    undecided: str = ""

    @classmethod
    def of(cls, lab: Laboratory, steps: int) -> Unchanged:
        """Repeat the steps, as some devices compute other bits each time."""
        first, *others = [losses_of(lab, steps) for _ in range(_REPEATS)]
        if any(len(other) != len(first) for other in others):
            why = "repeated, the steps run another number of backward passes"
            return cls(first, undecided=why)
        pairs = [pair for other in others for pair in zip(first, other, strict=True)]
        if any(_apart(*pair) > _precision(pair[0]) ** 0.5 for pair in pairs):
            return cls(first, undecided="repeated, the steps make another loss each time")
        return cls(first, max((_apart(*pair) for pair in pairs), default=0.0))

    @property
    def how(self) -> str:
        """In which sense a loss is the same."""
        return "the same, as far as repetitions agree" if self.apart else "the same"

    def differs(self, losses: Sequence[Tensor]) -> bool:
        """Whether one of these is clearly another than the one in its place, or has none."""
        return len(losses) != len(self.losses) or any(
            _apart(before, after) > max(_CLEARLY * self.apart, _ULPS * _precision(before))
            for before, after in zip(self.losses, losses, strict=True)
        )


def _precision(loss: Tensor) -> float:
    return torch.finfo(loss.dtype).eps if loss.is_floating_point() else 0.0


def losses_of(lab: Laboratory, steps: int, changed: Removed | None = None) -> list[Tensor]:
    """What is differentiated in the steps, in order, within what `changed` makes of the subject."""
    found: list[Tensor] = []
    lab.run(steps, changed, eager=True, losses=found)
    return found


def _apart(one: Tensor, other: Tensor) -> float:
    """The largest difference over the largest value; infinite beside NaN or another shape."""
    if one.shape != other.shape:
        return math.inf
    if same_bits(one, other):
        return 0.0
    one, other = one.double(), other.double()
    difference = float((one - other).abs().max())
    size = float(torch.maximum(one.abs().max(), other.abs().max()))
    relative = difference / size if size else 0.0
    return math.inf if math.isnan(relative) else relative


@contextmanager
def perturbed(names: Sequence[str], scale: float, _: Subject, model: nn.Module) -> Iterator[None]:
    """Noise on the values of these parameters, of `scale` times their spread."""
    generator = torch.Generator("cpu").manual_seed(0)  # whatever the default device is
    for name in names:
        tensor = model.get_parameter(name).data
        noise = torch.randn(tensor.shape, generator=generator, device="cpu").to(tensor)
        spread = float(tensor.float().std()) if tensor.numel() > 1 else 0.0
        tensor.add_(noise, alpha=scale * (spread or 1.0))
    yield
