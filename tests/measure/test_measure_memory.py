"""Bytes of a step have closed forms, and a freeze spares only what its strategy leaves out."""

from __future__ import annotations

import pytest
import torch
from equal_layers import ACTIVATION, ADAM, ROWS, WEIGHT, WIDTH, memory_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from toys import FLOAT, back, front, layers, training

from bench.measure.memory import read_memory
from bench.records import Split

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


def test_freezing_a_front_never_raises_the_peak() -> None:
    peaks = [memory_of(6, front(frozen), "requires_grad").peak_bytes for frozen in range(1, 6)]
    assert peaks == sorted(peaks, reverse=True)
