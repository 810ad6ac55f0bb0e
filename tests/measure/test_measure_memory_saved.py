"""What a graph saves is counted once, without weights, and looking at it keeps nothing alive."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
import torch
from equal_layers import ACTIVATION, ROWS, WIDTH, memory_of
from torch import nn
from toys import FLOAT, front, ignore, layers, mean_square, training

from bench.measure.memory import LiveStorages, SavedStorages, read_memory
from strategies import ROSTER as STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


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


def test_a_reading_on_the_loss_of_a_plain_model_has_no_notes() -> None:
    assert read_memory(training(layers(2, 3), front(1), loss=mean_square)).memory.notes == []
