"""Whether two tensors hold the same memory, rather than two parts of one storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def share_memory(one: Tensor, other: Tensor) -> bool:
    """Whether some byte belongs to both.

    Parameters that were made of one flat vector have one storage, and nothing in common.
    """
    if not _has_storage(one) or not _has_storage(other):
        return False
    if one.untyped_storage().data_ptr() != other.untyped_storage().data_ptr():
        return False
    (start, end), (begin, stop) = _extent(one), _extent(other)
    if end <= begin or stop <= start:
        return False
    if (one.is_contiguous() and other.is_contiguous()) or one.itemsize != other.itemsize:
        return True
    return bool(torch.isin(_elements(one), _elements(other)).any())


def _has_storage(tensor: Tensor) -> bool:
    strided = tensor.layout == torch.strided and bool(tensor.numel()) and not tensor.is_meta
    return strided and bool(tensor.untyped_storage().nbytes())


def _extent(tensor: Tensor) -> tuple[int, int]:
    """Its first byte in the storage, and the one behind its last."""
    pairs = zip(tensor.shape, tensor.stride(), strict=True)
    last = sum((size - 1) * stride for size, stride in pairs)
    start = int(tensor.storage_offset()) * tensor.itemsize
    return start, start + (last + 1) * tensor.itemsize


def _elements(tensor: Tensor) -> Tensor:
    """Where its elements lie in the storage: slices of one matrix interleave."""
    places = torch.tensor(tensor.storage_offset())
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        places = places.unsqueeze(-1) + torch.arange(size) * stride
    return places.reshape(-1)
