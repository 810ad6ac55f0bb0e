"""What the harness does with a batch, however its tensors are nested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from bench.workloads.workload import WorkloadError
from strategies.boundary import map_tensors, tensors_in

if TYPE_CHECKING:
    from torch import Tensor


def batch_size(batch: Any) -> int:
    """The number of samples in a batch: the first dimension of its first tensor.

    Raises:
        WorkloadError: it holds no tensor, or its first tensor has no dimension.
    """
    tensors = tensors_in(batch)
    if not tensors:
        raise WorkloadError(
            f"a batch holds no tensor (it is a {type(batch).__name__}); "
            "make it a nesting of tensors in tuples, lists, dicts or dataclasses"
        )
    if tensors[0].dim() == 0:
        raise WorkloadError(
            "the first tensor of a batch has no dimension, and its first dimension is the batch "
            "size; put a tensor with one row a sample first"
        )
    return tensors[0].shape[0]


def to_device(batch: Any, device: torch.device | str, *, channels_last: bool = False) -> Any:
    """The same batch on `device`; what is there already is not copied.

    Args:
        batch: any nesting of tensors in tuples, lists, dicts, dataclasses and namedtuples.
        device: where to; `meta` keeps shapes and dtypes only.
        channels_last: whether 4-dimensional floating-point tensors (images) get the
            memory format of that name.
    """

    def move(tensor: Tensor) -> Tensor:
        if channels_last and tensor.dim() == 4 and tensor.is_floating_point():
            return tensor.to(device, memory_format=torch.channels_last)
        return tensor.to(device)

    return map_tensors(move, batch)
