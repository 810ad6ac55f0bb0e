"""What the harness does with a batch, however its tensors are nested."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from bench.workloads.workload import WorkloadError

if TYPE_CHECKING:
    from collections.abc import Callable


def batch_size(batch: Any) -> int:
    """The number of samples in a batch: the first dimension of its first tensor.

    Raises:
        WorkloadError: it holds no tensor, or its first tensor has no dimension.
    """
    tensors: list[Tensor] = []
    map_tensors(batch, lambda tensor: tensors.append(tensor) or tensor)  # type: ignore[func-returns-value]
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

    return map_tensors(batch, move)


def map_tensors(batch: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A batch of the same nesting with `change` applied to each tensor, in order.

    Written out because torch's own tree functions are private, and take a dataclass that nobody
    registered for a leaf.
    """
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, Mapping):
        return _changed_mapping(batch, change)
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(map_tensors(part, change) for part in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(map_tensors(part, change) for part in batch)
    if is_dataclass(batch) and not isinstance(batch, type):
        changed = copy.copy(batch)
        for field in fields(batch):
            # `object.__setattr__`, because a frozen dataclass refuses its own
            object.__setattr__(changed, field.name, map_tensors(getattr(batch, field.name), change))
        return changed
    return batch


def _changed_mapping(batch: Mapping[Any, Any], change: Callable[[Tensor], Tensor]) -> Any:
    parts = {key: map_tensors(part, change) for key, part in batch.items()}
    if type(batch) is dict or not isinstance(batch, MutableMapping):
        return parts
    changed = copy.copy(batch)  # a defaultdict, say, keeps its factory
    changed.update(parts)
    return changed
