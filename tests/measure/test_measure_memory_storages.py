"""Live storages are counted once and whole, and agree with the profiler to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from toys import FLOAT, front, ignore, training

from bench.measure.memory import LiveStorages, storage_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


# --- live storages --------------------------------------------------------------------------------


def test_what_is_made_is_counted_and_what_is_freed_is_forgotten() -> None:
    with LiveStorages() as live:
        first = torch.empty(100)
        second = torch.empty(50)
        assert live.current_bytes == 150 * FLOAT
        del first
        assert live.current_bytes == 50 * FLOAT
        del second
        assert live.current_bytes == 0


def test_the_peak_is_the_most_at_once_and_not_the_sum() -> None:
    with LiveStorages() as live:
        for size in (100, 300, 200):
            torch.empty(size)
    assert live.peak_bytes == 300 * FLOAT


def test_a_peak_can_begin_again_at_what_is_alive() -> None:
    with LiveStorages() as live:
        kept = torch.empty(10)
        torch.empty(100)
        live.restart_peak()
        assert live.peak_bytes == kept.nbytes
        torch.empty(20)
    assert live.peak_bytes == 30 * FLOAT


def test_a_view_adds_nothing() -> None:
    with LiveStorages() as live:
        base = torch.empty(4, 5)
        views = [base.t(), base[1:], base.reshape(-1), base.detach()]
    assert live.current_bytes == base.nbytes
    assert len(views) == 4


def test_a_view_keeps_the_whole_storage_alive() -> None:
    with LiveStorages() as live:
        row = torch.empty(100, 5)[0]
        assert live.current_bytes == 500 * FLOAT
        del row
        assert live.current_bytes == 0


def test_a_storage_that_two_tensors_share_is_watched_once() -> None:
    base = torch.empty(4, 5)
    live = LiveStorages()
    live.watch([base, base.t(), base[0]])
    assert live.current_bytes == base.nbytes


def test_what_is_watched_is_forgotten_too() -> None:
    base = torch.empty(4, 5)
    live = LiveStorages()
    live.watch([base])
    del base
    assert live.current_bytes == 0


def test_each_operator_is_told_what_it_allocated() -> None:
    with LiveStorages() as live:
        one = torch.ones(10)
        live.restart_peak()
        _ = (one + one, one * one, one - one.t())
    assert live.allocated_by == {
        "aten.add.Tensor": 40,
        "aten.mul.Tensor": 40,
        "aten.sub.Tensor": 40,
    }


def test_storage_bytes_counts_each_storage_once_and_whole() -> None:
    base = torch.empty(4, 5)
    assert storage_bytes([base[0], base.t(), torch.empty(3)]) == 23 * FLOAT


# --- the profiler's word --------------------------------------------------------------------------


def small_convolution() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 64, 10),
    )


class NamedLiveStorages(LiveStorages):
    """Notes the names of the operators, as the profiler spells them."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.names.add(func._schema.name)
        return super().__torch_dispatch__(func, types, args, kwargs)


def profiled_sizes(step: Callable[[], None], operators: set[str]) -> list[int]:
    """Sizes of the allocator's events in order, without what one operator took and gave back.

    That is workspace of its kernel: no storage that any operator hands out.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        step()
    tree = seen.profiler.kineto_results.experimental_event_tree()
    events = sorted(_allocations(tree, operators, None))
    born: dict[int, int] = {}
    workspace: set[int] = set()
    for index, (_, pointer, size, operator) in enumerate(events):
        if size > 0:
            born[pointer] = index
            continue
        begin = born.pop(pointer)
        if operator >= 0 and events[begin][3] == operator:
            workspace |= {begin, index}
    return [size for index, (_, _, size, _) in enumerate(events) if index not in workspace]


def _allocations(
    events: Iterable[Any], operators: set[str], inside: int | None
) -> Iterator[tuple[int, int, int, int]]:
    for event in events:
        if event.tag == torch._C._profiler._EventType.Allocation:
            fields = event.extra_fields
            operator = -1 if inside is None else inside
            yield event.start_time_ns, fields.ptr, fields.alloc_size, operator
        else:
            begins = inside is None and event.name in operators
            yield from _allocations(event.children, operators, event.id if begins else inside)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("strategy", ["full", "requires_grad", "detach"])
def test_the_peak_of_a_step_is_the_profiler_s_to_the_byte(strategy: str, optimizer: str) -> None:
    trained = training(
        small_convolution(),
        front(4),
        strategy,
        batches=[torch.randn(4, 3, 16, 16)],
        optimizer=optimizer,
    )
    trained.step(ignore)
    live = NamedLiveStorages()
    with live:
        trained.step(ignore)
        live.restart_peak()
        before = live.current_bytes
        trained.step(ignore)
    highest = current = 0
    for size in profiled_sizes(lambda: trained.step(ignore), live.names):
        current += size
        highest = max(highest, current)
    assert highest > 50_000
    assert live.peak_bytes - before == highest


def test_the_bytes_that_operators_allocate_are_the_profiler_s_to_the_byte() -> None:
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64), nn.Tanh())
    trained = training(model, ["0"], "full", batches=[torch.randn(16, 32)], optimizer="sgd")
    live = NamedLiveStorages()
    with live:
        trained.step(ignore)
        live.restart_peak()
        trained.step(ignore)
    sizes = profiled_sizes(lambda: trained.step(ignore), live.names)
    assert live.allocated_by.total() == sum(size for size in sizes if size > 0)
