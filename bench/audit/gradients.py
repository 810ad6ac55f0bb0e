"""What the gradients of some parameters are like at one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

Likeness = Literal["none", "zero", "finite", "non-finite"]


def sizes(tensors: Mapping[str, Tensor]) -> dict[str, float]:
    """The largest absolute value of each tensor; NaN or infinite where one of its values is."""
    names = [name for name, tensor in tensors.items() if tensor.numel()]
    if not names:
        return {}
    largest = [_largest(tensors[name].detach()) for name in names]
    device = largest[0].device
    wide = torch.float32 if device.type == "mps" else torch.float64  # which MPS does not have
    together = torch.stack([value.to(device, wide) for value in largest])
    return dict(zip(names, together.tolist(), strict=True))


def likeness(gradient: Tensor | None) -> Likeness:
    """Whether a gradient is there, all zeros, or has something that is not finite."""
    if gradient is None:
        return "none"
    size = float(_largest(gradient.detach())) if gradient.numel() else 0.0
    if size == 0:
        return "zero"
    return "finite" if size < float("inf") else "non-finite"


def _largest(tensor: Tensor) -> Tensor:
    if tensor.is_sparse:
        tensor = tensor.coalesce().values()
        if not tensor.numel():
            return tensor.new_zeros(())
    if not tensor.is_floating_point() and not tensor.is_complex():
        tensor = tensor.double()
    return tensor.abs().amax()
