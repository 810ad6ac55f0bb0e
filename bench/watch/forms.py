"""Shapes and dtypes of the frozen tensors, and which of them changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from torch import Tensor

    from bench.measure.stillness import Place


@dataclass(frozen=True, slots=True)
class Change:
    """What a tensor was and what it is now; equal for all tensors that were cast alike."""

    of: Literal["dtype", "shape"]
    before: str
    now: str

    def __str__(self) -> str:
        return f"{self.of} changed from {self.before} to {self.now}"


class Forms:
    """The forms of tensors when this was made.

    Args:
        tensors: by place.
    """

    def __init__(self, tensors: Mapping[Place, Tensor]) -> None:
        self._forms = {place: (tensor.dtype, tensor.shape) for place, tensor in tensors.items()}

    def changes(self, now: Mapping[Place, Tensor]) -> dict[Place, Change]:
        """How the tensors changed whose form is another now."""
        found: dict[Place, Change] = {}
        for place, tensor in now.items():
            dtype, shape = self._forms[place]
            if dtype != tensor.dtype:
                found[place] = Change("dtype", _named(dtype), _named(tensor.dtype))
            elif shape != tensor.shape:
                found[place] = Change("shape", _sides(shape), _sides(tensor.shape))
        return found


def _named(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _sides(shape: torch.Size) -> str:
    return str(tuple(shape))
