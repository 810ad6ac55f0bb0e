"""Frozen tensors as they were, and which of them differ now, bitwise.

Values are kept as copies, or, where a copy does not fit, as hashes: those say that a tensor moved,
but neither by how much nor how to put it back.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal, NamedTuple

import psutil
import torch
from torch.nn.utils import parametrize

from bench.records import Moved
from strategies import find_tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor, nn

    from bench.records import KeptBy
    from strategies import Partition

Kind = Literal["parameter", "buffer", "effective weight"]

_CHUNK = 2**24  # elements that are hashed at a time
_SPARE = 0.5  # of the free memory that copies may take: a training step needs some as well


class Place(NamedTuple):
    """Where a tensor is found in a model; an effective weight is what a parametrization makes."""

    name: str
    kind: Kind


class Stillness:
    """What tensors were when this was made.

    Args:
        tensors: by place, for example of `frozen_tensors`.
        by: `copy`, or `hash` to take no memory.
        copies: values of some of them that somebody has already and will not change.

    Attributes:
        kept_by: the same.
        bytes: of the tensors.
    """

    def __init__(
        self,
        tensors: Mapping[Place, Tensor],
        by: KeptBy = "copy",
        copies: Mapping[Place, Tensor] | None = None,
    ) -> None:
        self.kept_by: KeptBy = by
        self.bytes: int = sum(tensor.nbytes for tensor in tensors.values())
        self._copies: dict[Place, Tensor] = {}
        self._hashes: dict[Place, bytes] = {}
        for place, tensor in tensors.items():
            if by == "copy":
                there = (copies or {}).get(place)
                self._copies[place] = tensor.detach().clone() if there is None else there
            else:
                self._hashes[place] = hash_of(tensor)

    @property
    def places(self) -> list[Place]:
        """What is kept, in the order given."""
        return [*self._copies, *self._hashes]

    def moved(self, tensors: Mapping[Place, Tensor]) -> list[Moved]:
        """The tensors that differ in a bit from what was kept; also one of another shape or dtype.

        Args:
            tensors: the present ones; a place that is missing there is passed over.
        """
        return [
            self._difference(place, tensors[place])
            for place in self.places
            if place in tensors and self.differs(place, tensors[place])
        ]

    def differs(self, place: Place, now: Tensor) -> bool:
        """Whether `now` differs in a bit from what was kept for `place`."""
        if place in self._hashes:
            return hash_of(now) != self._hashes[place]
        return not same_bits(self._copies[place], now)

    def before(self, place: Place) -> Tensor | None:
        """The copy of what was at `place`; `None` where only its hash was kept."""
        return self._copies.get(place)

    def _difference(self, place: Place, now: Tensor) -> Moved:
        before = self.before(place)
        if before is None or before.shape != now.shape:
            return Moved(place.name, place.kind, None, None, None)
        return how_far(place, before, now)


def frozen_tensors(model: nn.Module, partition: Partition) -> dict[Place, Tensor]:
    """Frozen parameters, buffers of frozen modules, and effective weights, each tensor once."""
    found: dict[Place, Tensor] = {}
    for name in partition.frozen:
        found[Place(name, "parameter")] = find_tensor(model, name)
    for name in partition.frozen_buffers:
        found[Place(name, "buffer")] = find_tensor(model, name)
    for root in partition.frozen_modules:
        for name, module in model.get_submodule(root).named_modules(prefix=root):
            if parametrize.is_parametrized(module):
                found |= effective_weights(name, module)
    first_places = {id(t): place for place, t in reversed(found.items())}
    return {place: t for place, t in found.items() if first_places[id(t)] == place}


def effective_weights(prefix: str, module: nn.Module) -> dict[Place, Tensor]:
    """What the parametrizations of a module make of its parameters, without moving their buffers.

    Asking for a weight runs its parametrization, which in training mode may move its own buffers
    (the power iteration of a spectral norm): it is asked in eval mode, and the mode is put back.
    """
    lists = list(module.parametrizations.items())  # type: ignore[operator, union-attr]
    modes = [(part, part.training) for _, steps in lists for part in steps.modules()]
    weights: dict[Place, Tensor] = {}
    try:
        with torch.no_grad(), without_autocast(module):
            for part, _ in modes:
                part.training = False
            for leaf, _ in lists:
                place = Place(f"{prefix}.{leaf}" if prefix else leaf, "effective weight")
                weights[place] = getattr(module, leaf)
    finally:
        for part, mode in modes:
            part.training = mode
    return weights


@contextmanager
def without_autocast(module: nn.Module) -> Iterator[None]:
    """Within the block, what `module` computes has the precision of its own parameters."""
    device = next((tensor.device.type for tensor in module.parameters()), "cpu")
    if not torch.amp.is_autocast_available(device):
        yield
        return
    with torch.autocast(device, enabled=False):
        yield


def how_to_keep(tensors: Mapping[Place, Tensor], free_bytes: int | None = None) -> KeptBy:
    """`copy` where copies of `tensors` leave enough memory to train in, otherwise `hash`.

    Args:
        tensors: what is to be kept, all on one device.
        free_bytes: of memory on that device; asked of the system if not given.
    """
    if not tensors:
        return "copy"
    device = next(iter(tensors.values())).device
    if free_bytes is None:
        free_bytes = _free_bytes(device)
    needed = sum(tensor.nbytes for tensor in tensors.values())
    return "copy" if needed <= _SPARE * free_bytes else "hash"


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def same_bits(before: Tensor, after: Tensor) -> bool:
    """Whether two tensors have one shape and dtype and hold the same bits (a NaN equals itself)."""
    if before.shape != after.shape or before.dtype != after.dtype:
        return False
    bits, others = _as_bytes(before), _as_bytes(after)
    if bits.numel() % 8 or bits.storage_offset() % 8 or others.storage_offset() % 8:
        return torch.equal(bits, others)
    return torch.equal(bits.view(torch.int64), others.view(torch.int64))  # in a seventh of the time


def hash_of(tensor: Tensor) -> bytes:
    """A hash of dtype, shape and bits; takes a chunk of memory at a time."""
    digest = blake2b(f"{tensor.dtype} {tuple(tensor.shape)}".encode(), digest_size=16)
    for chunk in _chunks(tensor.detach()):
        digest.update(_as_bytes(chunk.cpu()).numpy().data)
    return digest.digest()


def how_far(place: Place, before: Tensor, now: Tensor) -> Moved:
    """The figures of a difference between two tensors of one shape."""
    before, now = _as_double(before), _as_double(now)
    difference = (now - before).abs()
    norm = float(before.norm())
    l2 = float(difference.norm())
    return Moved(
        name=place.name,
        kind=place.kind,
        max_abs=_finite(float(difference.max())),
        l2=_finite(l2),
        relative=_finite(l2 / norm) if norm else None,
    )


def _as_double(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu()  # MPS has no float64
    return tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)


def _as_bytes(tensor: Tensor) -> Tensor:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


def _chunks(tensor: Tensor) -> Iterator[Tensor]:
    if tensor.numel() <= _CHUNK or not tensor.dim():
        yield tensor
    elif tensor.is_contiguous():
        yield from torch.split(tensor.view(-1), _CHUNK)
    else:
        for row in tensor:
            yield from _chunks(row)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
