"""FLOPs have closed forms, and what has no formula is named rather than counted as nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from toys import back, front, layers, sum_of_outputs, training

from bench.measure.counters import count_nodes, read_counters
from bench.workloads import ROSTER, Options, build
from strategies import ROSTER as STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Counters

WIDTH, ROWS = 4, 3
FORWARD = 2 * ROWS * WIDTH * WIDTH  # FLOPs of one layer: two a multiply-add

few = settings(max_examples=12, deadline=None)


@st.composite
def counts(draw: st.DrawFn, least: int = 1) -> tuple[int, int]:
    """Some equal layers, and how many of them are frozen."""
    count = draw(st.integers(least + 1, 7))
    return count, draw(st.integers(least, count - 1))


def counters_of(count: int, frozen: tuple[str, ...], strategy: str, **how: Any) -> Counters:
    return read_counters(
        training(
            layers(count, WIDTH),
            frozen,
            strategy,
            batches=[torch.ones(ROWS, WIDTH)],
            loss=sum_of_outputs,
            **how,
        )
    )


def flops(count: int, frozen: tuple[str, ...], strategy: str) -> tuple[int | None, int | None]:
    counters = counters_of(count, frozen, strategy)
    return counters.forward_flops, counters.backward_flops


# --- closed forms ---------------------------------------------------------------------------------


@few
@given(st.integers(2, 7))
def test_nothing_frozen_costs_two_backward_products_a_layer_but_one_at_the_input(
    count: int,
) -> None:
    assert flops(count, front(1), "full") == (count * FORWARD, (2 * count - 1) * FORWARD)


@few
@given(counts())
@pytest.mark.parametrize(
    "strategy", ["requires_grad", "buffers", "no_grad", "detach", "backward_inputs", "functional"]
)
def test_a_frozen_front_is_left_out_of_backward(strategy: str, numbers: tuple[int, int]) -> None:
    count, frozen = numbers
    backward = (2 * (count - frozen) - 1) * FORWARD
    assert flops(count, front(frozen), strategy) == (count * FORWARD, backward)


@few
@given(counts())
@pytest.mark.parametrize("strategy", ["requires_grad", "backward_inputs", "functional"])
def test_a_frozen_back_still_hands_the_gradient_through(
    strategy: str, numbers: tuple[int, int]
) -> None:
    count, frozen = numbers
    backward = (2 * count - 1 - frozen) * FORWARD
    assert flops(count, back(count, frozen), strategy) == (count * FORWARD, backward)


@few
@given(st.integers(3, 8), st.data())
def test_a_frozen_middle_costs_what_a_frozen_back_costs(count: int, data: st.DataObject) -> None:
    begin = data.draw(st.integers(1, count - 2))
    end = data.draw(st.integers(begin + 1, count - 1))
    middle = tuple(str(index) for index in range(begin, end))
    backward = (2 * count - 1 - len(middle)) * FORWARD
    assert flops(count, middle, "requires_grad") == (count * FORWARD, backward)


@few
@given(counts())
@pytest.mark.parametrize(
    "strategy", ["optimizer_subset", "lr_zero", "clear_grads", "mask_grads", "restore"]
)
def test_the_others_compute_every_gradient(strategy: str, numbers: tuple[int, int]) -> None:
    count, frozen = numbers
    assert flops(count, front(frozen), strategy) == flops(count, front(frozen), "full")


@few
@given(counts())
def test_a_cache_that_is_full_saves_the_frozen_forward_pass(numbers: tuple[int, int]) -> None:
    count, frozen = numbers
    trained = training(
        layers(count, WIDTH), front(frozen), "feature_cache", batches=[torch.ones(ROWS, WIDTH)]
    )
    first, second = read_counters(trained), read_counters(trained)
    assert first.forward_flops == count * FORWARD
    assert second.forward_flops == (count - frozen) * FORWARD


@few
@given(counts(least=2))
@pytest.mark.parametrize("side", ["front", "back"])
def test_freezing_more_never_costs_more(side: str, numbers: tuple[int, int]) -> None:
    count, frozen = numbers
    less, more = (
        flops(count, front(k) if side == "front" else back(count, k), "requires_grad")
        for k in (frozen - 1, frozen)
    )
    assert more[0] == less[0]
    assert more[1] < less[1]


def convolution() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 5)
    )


def images() -> list[Tensor]:
    return [torch.ones(2, 3, 4, 4)]


@pytest.mark.parametrize("strategy", ["requires_grad", "inference_mode", "detach", "functional"])
def test_a_frozen_convolution_costs_the_same_however_it_is_run(strategy: str) -> None:
    found = read_counters(training(convolution(), ["0"], strategy, batches=images()))
    convolved = 2 * 2 * 8 * (3 * 3 * 3) * 16  # two a multiply-add, images, channels, window, pixels
    linear = 2 * 2 * 128 * 5
    assert found.forward_flops == convolved + linear
    assert found.backward_flops == linear


@pytest.mark.usefixtures("_untrained")
@pytest.mark.parametrize("name", [name for name in ROSTER if name != "adapter"])
def test_inference_mode_counts_what_no_grad_counts(name: str) -> None:
    found = []
    for strategy in ("no_grad", "inference_mode"):
        work = build(name, Options(batch=2))
        trained = training(work.model, work.frozen, strategy, batches=work.batches, loss=work.loss)
        counters = read_counters(trained)
        found.append((counters.forward_flops, counters.uncounted_operators))
    assert found[0] == found[1]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_counts_are_the_same_each_time(strategy: str) -> None:
    assert counters_of(4, front(2), strategy) == counters_of(4, front(2), strategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_counts_are_the_same_on_meta(strategy: str) -> None:
    found = []
    for device in ("cpu", "meta"):
        counters = read_counters(
            training(convolution(), ["0"], strategy, batches=images(), device=device)
        )
        found.append((counters.forward_flops, counters.backward_flops, counters.autograd_nodes))
    assert found[0] == found[1]


# --- operators and nodes --------------------------------------------------------------------------


def test_operators_belong_to_the_phase_that_runs_them() -> None:
    # Plain SGD's multi-tensor form is one operator for all; the loss is one, and so on.
    operators = counters_of(3, front(1), "requires_grad", optimizer="sgd").operators
    more = counters_of(4, front(1), "requires_grad", optimizer="sgd").operators
    assert set(operators) == {"forward", "backward", "update"}
    assert operators["forward"] < more["forward"]
    assert operators["backward"] < more["backward"]


def test_the_optimizer_s_operators_are_of_the_update() -> None:
    adam, sgd = (
        counters_of(3, front(1), "requires_grad", optimizer=name).operators
        for name in ("adam", "sgd")
    )
    assert adam["update"] > sgd["update"]
    assert (adam["forward"], adam["backward"]) == (sgd["forward"], sgd["backward"])


def test_nodes_are_counted_along_the_graph() -> None:
    value = torch.ones(2, requires_grad=True)
    assert count_nodes((value * value).sum()) == 3  # accumulate, mul, sum


def test_a_node_that_two_ways_lead_to_counts_once() -> None:
    double = torch.ones(2, requires_grad=True) * 2
    assert count_nodes((double + double).sum()) == 4  # accumulate, mul, add, sum


def test_a_loss_without_a_graph_has_no_nodes() -> None:
    assert count_nodes(torch.ones(())) == 0


def test_a_frozen_front_has_no_nodes() -> None:
    shallow = counters_of(2, front(1), "requires_grad").autograd_nodes
    assert counters_of(6, front(5), "requires_grad").autograd_nodes == shallow


def test_a_loss_that_is_cut_off_by_nothing_but_backward_keeps_its_nodes() -> None:
    full = counters_of(4, front(2), "full").autograd_nodes
    assert counters_of(4, front(2), "backward_inputs").autograd_nodes == full


# --- operators without a formula ------------------------------------------------------------------


def uncounted(function: Any) -> dict[str, int]:
    return read_counters(
        training(
            layers(2, WIDTH),
            front(1),
            "requires_grad",
            batches=[torch.ones(ROWS, WIDTH)],
            loss=lambda model, batch: function(model(batch)).sum(),
        )
    ).uncounted_operators


def test_a_fourier_transform_is_named() -> None:
    assert uncounted(lambda x: torch.fft.rfft(x).abs())["aten._fft_r2c"] == 1


@pytest.fixture(scope="module")
def _own_operator() -> Iterator[None]:
    library = torch.library.Library("freezebench_tests", "DEF")
    library.define("product(Tensor a) -> Tensor")
    library.impl("product", lambda a: a @ a.t(), "CompositeExplicitAutograd")
    yield
    library._destroy()


@pytest.mark.usefixtures("_own_operator")
def test_an_operator_of_another_library_is_named() -> None:
    found = uncounted(lambda x: x + torch.ops.freezebench_tests.product(x.detach()).sum())
    assert found["freezebench_tests.product"] == 1


@pytest.mark.parametrize(
    "function",
    [
        torch.relu,
        torch.exp,
        nn.functional.gelu,
        nn.functional.dropout,
        lambda x: x.reshape(-1).view(WIDTH, ROWS).t(),
        lambda x: x.clone().contiguous() + 1,
        lambda x: x.mm(torch.ones(WIDTH, WIDTH)),
    ],
    ids=["relu", "exp", "gelu", "dropout", "views", "copies", "product"],
)
def test_what_moves_numbers_or_makes_one_of_each_is_not_named(function: Any) -> None:
    assert set(uncounted(function)) <= set(uncounted(lambda x: x))


def test_a_sum_is_all_that_the_plain_stack_leaves_uncounted() -> None:
    assert uncounted(lambda x: x) == {"aten.sum": 1}
