"""Bytes by live storages: closed forms, the profiler's word, and the same peak on `meta`."""

from __future__ import annotations

import gc
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torchvision.models import resnet18
from toys import FLOAT, back, front, ignore, layers, mean_square, sum_of_outputs, training

from bench.measure.memory import (
    LiveStorages,
    SavedStorages,
    differing_allocations,
    read_memory,
    storage_bytes,
)
from bench.measure.training import NothingReachesTheLossError, Recipe, Training
from bench.records import Memory, Split
from bench.workloads import ROSTER, Options, Workload, build
from strategies import ROSTER as STRATEGIES
from strategies import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torch import Tensor

CUTTING = ("no_grad", "detach", "inference_mode", "feature_cache")
WIDTH, ROWS = 6, 5
WEIGHT = WIDTH * WIDTH * FLOAT
ACTIVATION = ROWS * WIDTH * FLOAT
ADAM = 2 * WEIGHT + FLOAT  # two moments, and a count of steps


def memory_of(count: int, frozen: tuple[str, ...], strategy: str, **how: Any) -> Memory:
    batches = [torch.ones(ROWS, WIDTH)]
    trained = training(
        layers(count, WIDTH), frozen, strategy, batches=batches, loss=sum_of_outputs, **how
    )
    return read_memory(trained).memory


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


# --- closed forms ---------------------------------------------------------------------------------

few = settings(max_examples=12, deadline=None)


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    """Some equal layers, and how many of them are frozen."""
    count = draw(st.integers(2, 7))
    return count, draw(st.integers(1, count - 1))


@few
@given(counts())
def test_parameter_bytes_are_split_by_what_is_frozen(numbers: tuple[int, int]) -> None:
    count, frozen = numbers
    memory = memory_of(count, front(frozen), "requires_grad")
    assert memory.parameter_bytes == Split(frozen * WEIGHT, (count - frozen) * WEIGHT)


@few
@given(counts())
def test_a_front_without_gradients_costs_neither_gradient_nor_state_nor_activation(
    numbers: tuple[int, int],
) -> None:
    count, frozen = numbers
    memory = memory_of(count, front(frozen), "requires_grad")
    trainable = count - frozen
    assert memory.gradient_bytes == Split(0, trainable * WEIGHT)
    assert memory.optimizer_bytes == Split(0, trainable * ADAM)
    assert memory.saved_bytes == trainable * ACTIVATION


@few
@given(counts())
def test_a_back_without_gradients_saves_only_its_weights(numbers: tuple[int, int]) -> None:
    # Those of a frozen layer are saved as a transposed view, which costs nothing.
    count, frozen = numbers
    memory = memory_of(count, back(count, frozen), "requires_grad")
    assert memory.saved_bytes == (count - frozen) * ACTIVATION


@few
@given(counts())
def test_rate_0_pays_for_everything(numbers: tuple[int, int]) -> None:
    count, frozen = numbers
    memory = memory_of(count, front(frozen), "lr_zero")
    trainable = count - frozen
    assert memory.gradient_bytes == Split(frozen * WEIGHT, trainable * WEIGHT)
    assert memory.optimizer_bytes == Split(frozen * ADAM, trainable * ADAM)
    assert memory.saved_bytes == count * ACTIVATION


@few
@given(counts())
def test_an_optimizer_of_a_subset_pays_for_gradients_but_for_no_state(
    numbers: tuple[int, int],
) -> None:
    count, frozen = numbers
    memory = memory_of(count, front(frozen), "optimizer_subset")
    assert memory.gradient_bytes == Split(frozen * WEIGHT, (count - frozen) * WEIGHT)
    assert memory.optimizer_bytes == Split(0, (count - frozen) * ADAM)


@pytest.mark.parametrize(
    ("optimizer", "bytes_each"),
    [
        ("sgd", 0),
        ("momentum", WEIGHT),
        ("adam", ADAM),
        ("adamw", ADAM),
        ("adagrad", WEIGHT + FLOAT),
        ("rmsprop", WEIGHT + FLOAT),
    ],
)
def test_each_optimizer_keeps_what_its_rule_needs(optimizer: str, bytes_each: int) -> None:
    memory = memory_of(3, front(1), "requires_grad", optimizer=optimizer)
    assert memory.optimizer_bytes == Split(0, 2 * bytes_each)


def test_weights_that_became_buffers_are_frozen_buffers() -> None:
    memory = memory_of(3, front(1), "buffers")
    assert memory.parameter_bytes == Split(0, 2 * WEIGHT)
    assert memory.buffer_bytes == Split(WEIGHT, 0)


def test_running_statistics_are_told_apart_by_where_they_stand() -> None:
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 6), nn.BatchNorm1d(6))
    memory = read_memory(training(model, ["0"])).memory
    counter = 8  # an int64
    assert memory.buffer_bytes == Split(2 * 4 * FLOAT + counter, 2 * 6 * FLOAT + counter)


def test_a_tied_weight_is_counted_once() -> None:
    model = layers(3, WIDTH)
    model[1].weight = model[0].weight
    memory = read_memory(training(model, ["0"], "full", optimizer="sgd")).memory
    assert memory.parameter_bytes == Split(WEIGHT, WEIGHT)
    assert memory.gradient_bytes == Split(WEIGHT, WEIGHT)


@pytest.mark.parametrize(
    ("strategy", "kept"),
    [("requires_grad", 0), ("restore", WEIGHT), ("feature_cache", 5 * ACTIVATION)],
)
def test_a_strategy_s_own_tensors_are_its_own(strategy: str, kept: int) -> None:
    trained = training(
        layers(3, WIDTH), front(1), strategy, batches=[torch.ones(ROWS, WIDTH) for _ in range(5)]
    )
    assert read_memory(trained).memory.strategy_bytes == kept


def test_what_stays_between_steps_is_the_sum_of_its_parts() -> None:
    memory = memory_of(4, front(2), "requires_grad")
    # Four weights, two optimizer states, one batch.
    assert memory.resident_bytes == 4 * WEIGHT + 2 * ADAM + ACTIVATION


def test_what_the_strategy_keeps_stays_between_steps() -> None:
    plain, snapshot = (
        memory_of(4, front(2), name, optimizer="sgd").resident_bytes
        for name in ("optimizer_subset", "restore")
    )
    assert plain == 6 * WEIGHT + ACTIVATION  # two gradients pile up that no optimizer clears
    assert snapshot == 6 * WEIGHT + ACTIVATION  # two copies


def test_a_parameter_and_a_buffer_that_no_step_uses_are_there_all_the_same() -> None:
    model = layers(3, WIDTH)
    model[1].register_parameter("spare", nn.Parameter(torch.ones(100)))
    model[1].register_buffer("constant", torch.ones(50))
    batches = [torch.ones(ROWS, WIDTH)]
    found = read_memory(training(model, ["0"], batches=batches, optimizer="sgd")).memory
    assert found.resident_bytes == 3 * WEIGHT + 150 * FLOAT + ACTIVATION


def test_the_peak_is_above_everything_that_is_there_at_once() -> None:
    memory = memory_of(4, front(1), "requires_grad")
    assert memory.peak_bytes > memory.resident_bytes + memory.gradient_bytes.trainable


# --- what the graph saves -------------------------------------------------------------------------


def test_a_transposed_weight_is_no_saved_activation() -> None:
    weight = nn.Parameter(torch.ones(7, 3))
    inputs = torch.ones(5, 3, requires_grad=True)
    saved = SavedStorages([weight])
    with saved:
        graph = inputs @ weight.t()
    assert saved.bytes == inputs.nbytes
    assert graph.requires_grad


def test_without_the_exception_the_weight_would_count() -> None:
    weight = nn.Parameter(torch.ones(7, 3))
    inputs = torch.ones(5, 3, requires_grad=True)
    saved = SavedStorages([])
    with saved:
        graph = inputs @ weight.t()
    assert saved.bytes == inputs.nbytes + weight.nbytes
    assert graph.requires_grad


def test_what_is_saved_twice_is_counted_once_until_both_are_gone() -> None:
    inputs = torch.ones(5, 3, requires_grad=True)
    saved = SavedStorages([])
    with saved:
        graphs = [inputs * inputs, inputs.square()]
    while graphs:
        assert saved.bytes == inputs.nbytes
        graphs.pop()
    assert saved.bytes == 0


def test_what_backward_has_used_is_kept_no_longer() -> None:
    saved = SavedStorages([])
    with saved:
        loss = torch.ones(5, 3, requires_grad=True).exp().sum()
    assert saved.bytes == 15 * FLOAT
    loss.backward()
    assert saved.bytes == 0


@pytest.mark.parametrize("strategy", ["no_grad", "detach", "inference_mode", "feature_cache"])
def test_of_a_graph_that_is_cut_off_nothing_is_kept(strategy: str) -> None:
    # The last layer saves its input, and the loss its own.
    model = nn.Sequential(*(nn.Linear(WIDTH, WIDTH) if n % 2 else nn.Tanh() for n in range(10)))
    trained = training(model, front(8), strategy, batches=[torch.ones(ROWS, WIDTH)])
    saved = read_memory(trained).memory.saved_bytes
    assert saved == 2 * ACTIVATION


def test_saved_bytes_are_absent_with_the_reason_where_hooks_are_not_allowed() -> None:
    memory = memory_of(3, front(1), "functional")
    assert memory.saved_bytes is None
    assert memory.notes == ["saved_bytes: torch.func transforms allow no saved-tensor hooks"]


def test_another_error_of_the_model_is_not_taken_for_that() -> None:
    class FailsInItsSecondStep(nn.Linear):
        calls = 0

        def forward(self, inputs: Tensor) -> Tensor:
            self.calls += 1
            if self.calls == 2:
                raise RuntimeError("no such thing")
            return super().forward(inputs)

    model = nn.Sequential(nn.Linear(4, 4), FailsInItsSecondStep(4, 4))
    with pytest.raises(RuntimeError, match="no such thing"):
        read_memory(training(model, ["0"]))


def bends() -> nn.Sequential:
    """Operators that save their own output."""
    return nn.Sequential(
        nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), nn.Sigmoid(), nn.Softmax(1)
    ).append(nn.Linear(WIDTH, WIDTH))


@pytest.fixture
def _no_collections() -> Iterator[None]:
    """What is freed is freed by its last reference, and not by a collection at a lucky moment."""
    was_on = gc.isenabled()
    gc.disable()
    yield
    if was_on:
        gc.enable()


@pytest.mark.usefixtures("_no_collections")
@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "functional"])
def test_looking_at_saved_tensors_keeps_none_of_them_alive(strategy: str) -> None:
    trained = training(bends(), [str(index) for index in range(5)], strategy)
    live = LiveStorages()
    live.watch(trained.batches)
    peaks = []
    with live:
        for _ in range(2):
            trained.step(ignore)
        for look in (False, True):
            if look:
                with SavedStorages([]):
                    trained.step(ignore)
            live.restart_peak()
            trained.step(ignore)
            peaks.append((live.peak_bytes, live.current_bytes))
    assert peaks[0] == peaks[1]


# --- the same on `meta` ---------------------------------------------------------------------------


def peak(workload: Workload, strategy: str, device: str) -> tuple[int | None, int | None]:
    memory = read_memory(Training(workload, find(strategy), Recipe(device))).memory
    return memory.peak_bytes, memory.resident_bytes


REACHED = [
    (workload, strategy)
    for workload in ROSTER
    for strategy in STRATEGIES
    if not (workload == "adapter" and strategy in CUTTING)
]


@pytest.mark.usefixtures("_untrained")
@pytest.mark.parametrize(("name", "strategy"), REACHED)
def test_a_built_in_workload_has_the_peak_that_meta_predicts(name: str, strategy: str) -> None:
    options = Options(batch=4)
    measured = peak(build(name, options), strategy, "cpu")
    assert measured == peak(build(name, options, meta=True), strategy, "meta")
    assert all(measured)


@pytest.mark.usefixtures("_untrained")
@pytest.mark.parametrize("strategy", CUTTING)
def test_a_workload_whose_loss_is_cut_off_has_no_peak(strategy: str) -> None:
    with pytest.raises(NothingReachesTheLossError):
        peak(build("adapter", Options(batch=4)), strategy, "cpu")


def small_resnet(device: str) -> Workload:
    with torch.device(device):
        batch = torch.ones(2, 3, 64, 64), torch.zeros(2, dtype=torch.int64)
        return Workload(resnet18(), [batch], frozen=("conv1", "bn1", "layer[123]"))


@pytest.mark.parametrize("strategy", ["full", "requires_grad", "detach+eval", "functional"])
def test_a_resnet_has_the_peak_that_meta_predicts(strategy: str) -> None:
    measured = peak(small_resnet("cpu"), strategy, "cpu")
    assert measured == peak(small_resnet("meta"), strategy, "meta")


def test_freezing_a_front_never_raises_the_peak() -> None:
    peaks = [memory_of(6, front(frozen), "requires_grad").peak_bytes for frozen in range(1, 6)]
    assert peaks == sorted(peaks, reverse=True)


# --- when the two differ --------------------------------------------------------------------------


def test_the_operators_that_allocate_otherwise_are_named_with_both_figures() -> None:
    said = differing_allocations(Counter(a=4, same=1), Counter(b=8, same=1))
    assert said == "allocates otherwise on meta: a (4 B, meta 0 B), b (0 B, meta 8 B)"


def test_of_many_operators_five_are_named_and_the_rest_counted() -> None:
    said = differing_allocations(Counter({f"op{number}": 1 for number in range(7)}), Counter())
    assert "op4 (1 B, meta 0 B) and 2 more" in said


def test_equal_allocations_can_only_differ_in_time() -> None:
    assert "when storages were freed" in differing_allocations(Counter(a=4), Counter(a=4))


def test_a_reading_on_the_loss_of_a_plain_model_has_no_notes() -> None:
    assert read_memory(training(layers(2, 3), front(1), loss=mean_square)).memory.notes == []
