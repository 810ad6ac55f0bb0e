"""Bytes of one training step, by the storages that are alive.

`LiveStorages` sees every storage that an operator hands out and is told when it is gone, so its
peak is exact and equal on a CPU, on an accelerator and (without allocating anything) on `meta`.
What an allocator rounds up, or a kernel takes as workspace, is not in it; that is what the
accelerator's allocator peaks are for.
"""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from bench.measure.phases import PhaseMarks
from bench.records import Memory, Split
from strategies.boundary import tensors_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor

    from bench.measure.training import Training


class LiveStorages(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the storages alive while it is entered.

    Attributes:
        current_bytes: alive now.
        peak_bytes: the most alive at once since the last `restart_peak`.
        allocated_by: bytes that each operator allocated since then.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._sizes: dict[int, int] = {}
        self.current_bytes = 0
        self.peak_bytes = 0
        self.allocated_by: Counter[str] = Counter()

    def watch(self, tensors: Iterable[Tensor]) -> None:
        """Count tensors that were made before the mode was entered."""
        for tensor in tensors:
            self._see(tensor, "before")

    def restart_peak(self) -> None:
        """Let the peak begin at what is alive now."""
        self.peak_bytes = self.current_bytes
        self.allocated_by.clear()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operator and count what it returns."""
        result = func(*args, **(kwargs or {}))
        for tensor in tensors_in(result):
            self._see(tensor, str(func))
        return result

    def _see(self, tensor: Tensor, allocated_by: str) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._sizes:
            return
        size = storage.nbytes()
        self._sizes[key] = size
        self.current_bytes += size
        self.peak_bytes = max(self.peak_bytes, self.current_bytes)
        self.allocated_by[allocated_by] += size
        weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.current_bytes -= self._sizes.pop(key)


def storage_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of the storages behind `tensors`, each storage once."""
    storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage() for tensor in tensors}
    return sum(storage.nbytes() for storage in storages.values())


class SavedStorages(saved_tensors_hooks):
    """Adds up what the graph keeps for backward, of what it saved while this was entered.

    Each storage counts once, and no more when the graph that saved it is gone: `detach` drops the
    frozen part's long before the backward pass. A saved view of a parameter (such as the
    transposed weight of a linear layer) shares the parameter's storage and costs nothing, so
    storages of `free` are left out.
    """

    def __init__(self, free: Iterable[Tensor]) -> None:
        self._free = {tensor.untyped_storage()._cdata for tensor in free}
        self._sizes: dict[int, int] = {}
        self._times: Counter[int] = Counter()
        super().__init__(self._pack, lambda saved: saved)

    @property
    def bytes(self) -> int:
        """Bytes that the graph keeps now."""
        return sum(self._sizes.values())

    def _pack(self, tensor: Tensor) -> Tensor:
        # Detached: a node that saves its own output would otherwise hold itself alive, and one
        # that backward never visits would do so for good.
        kept = tensor.detach()
        storage = kept.untyped_storage()
        key = storage._cdata
        if key not in self._free:
            self._sizes[key] = storage.nbytes()
            self._times[key] += 1
            weakref.finalize(kept, self._release, key)
        return kept

    def _release(self, key: int) -> None:
        self._times[key] -= 1
        if not self._times[key]:
            del self._times[key], self._sizes[key]


class MemoryReading:
    """What `read_memory` found, with the operators' allocations of the measured step."""

    def __init__(self, memory: Memory, allocated_by: Counter[str]) -> None:
        self.memory = memory
        self.allocated_by = allocated_by


def read_memory(
    training: Training, before_last_step: Callable[[], None] = lambda: None
) -> MemoryReading:
    """Train a few steps, to where memory no longer grows, and read one more.

    `before_last_step` is called in between, for whoever reads that step by other means.

    The steady state begins when the optimizer has its state and, for a strategy that fills each
    batch, when every batch has been seen.
    """
    gc.collect()
    notes: list[str] = []
    live = LiveStorages()
    live.watch([*training.model.parameters(), *training.model.buffers()])
    live.watch(tensors_in(training.batches))
    live.watch(tensors_in([dict(state) for state in training.optimizer.state.values()]))
    live.watch(training.strategy.kept_tensors())
    marks = PhaseMarks()
    settle = len(training.batches) if training.strategy.fills_each_batch else 1
    with live:
        for _ in range(settle):
            training.step(marks)
        saved = _saved_bytes(training, notes)
        before_last_step()
        live.restart_peak()
        gradients: list[Split] = []
        training.step(PhaseMarks(at_update=lambda: gradients.append(_gradient_bytes(training))))
        peak, resident = live.peak_bytes, live.current_bytes
        allocated_by = live.allocated_by.copy()
    return MemoryReading(
        Memory(
            parameter_bytes=_split(training, training.model.parameters()),
            buffer_bytes=_buffer_bytes(training),
            gradient_bytes=gradients[0],
            optimizer_bytes=_optimizer_bytes(training),
            saved_bytes=saved,
            strategy_bytes=storage_bytes(training.strategy.kept_tensors()),
            peak_bytes=peak,
            resident_bytes=resident,
            notes=notes,
        ),
        allocated_by,
    )


def differing_allocations(measured: Counter[str], predicted: Counter[str]) -> str:
    """A sentence on the operators that allocate otherwise on `meta` than on the device."""
    names = sorted(name for name in measured | predicted if measured[name] != predicted[name])
    found = ", ".join(
        f"{name} ({measured[name]} B, meta {predicted[name]} B)" for name in names[:5]
    )
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    if not names:
        return "the prediction differs by when storages were freed, not by what was allocated"
    return f"allocates otherwise on meta: {found}{more}"


def _saved_bytes(training: Training, notes: list[str]) -> int | None:
    saved = SavedStorages([*training.model.parameters(), *training.model.buffers()])
    kept: list[int] = []
    try:
        with saved:
            training.step(PhaseMarks(), lambda _: kept.append(saved.bytes))
    except RuntimeError as error:
        if "saved tensor hooks" not in str(error):
            raise
        notes.append("saved_bytes: torch.func transforms allow no saved-tensor hooks")
        training.step(PhaseMarks())
        return None
    return kept[0]


def _frozen_storages(training: Training) -> set[int]:
    frozen = training.partition.frozen_tensors(training.model)
    return {tensor.untyped_storage()._cdata for tensor in frozen}


def _split(training: Training, tensors: Iterable[Tensor]) -> Split:
    frozen = _frozen_storages(training)
    still: list[Tensor] = []
    moving: list[Tensor] = []
    for tensor in tensors:
        (still if tensor.untyped_storage()._cdata in frozen else moving).append(tensor)
    return Split(frozen=storage_bytes(still), trainable=storage_bytes(moving))


def _buffer_bytes(training: Training) -> Split:
    # A frozen weight that a strategy turned into a buffer is a frozen buffer.
    partition = training.partition
    names = {*partition.frozen_buffers, *partition.frozen}
    still: list[Tensor] = []
    moving: list[Tensor] = []
    for name, buffer in training.model.named_buffers():
        (still if name in names else moving).append(buffer)
    return Split(frozen=storage_bytes(still), trainable=storage_bytes(moving))


def _gradient_bytes(training: Training) -> Split:
    partition, model = training.partition, training.model
    return Split(
        frozen=storage_bytes(_gradients(partition.frozen_tensors(model))),
        trainable=storage_bytes(_gradients(partition.trainable_tensors(model))),
    )


def _gradients(tensors: Iterable[Tensor]) -> list[Tensor]:
    return [tensor.grad for tensor in tensors if tensor.grad is not None]


def _optimizer_bytes(training: Training) -> Split:
    frozen = _frozen_storages(training)
    still: list[Tensor] = []
    moving: list[Tensor] = []
    for parameter, state in training.optimizer.state.items():
        tensors = [value for value in state.values() if isinstance(value, torch.Tensor)]
        (still if parameter.untyped_storage()._cdata in frozen else moving).extend(tensors)
    return Split(frozen=storage_bytes(still), trainable=storage_bytes(moving))
