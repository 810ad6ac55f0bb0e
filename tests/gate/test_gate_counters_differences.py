"""What differs between two cells, what that means, and what must hold on any torch."""

from __future__ import annotations

from typing import Any

import pytest
from counts import cell, cells, fields, workload
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bench.gate.counters import invariants, meaning
from bench.gate.counters.differences import differences
from bench.gate.counters.golden import CellCounts
from bench.records import Split


def read(why: str = "", **changes: Any) -> meaning.Reading:
    """What it means when a cell changes like this."""
    return meaning.read(differences(cell(), cell(**changes)), why)


def said(**changes: Any) -> str:
    return "; ".join(read(**changes).sentences)


# --- differences ----------------------------------------------------------------------------------


def test_the_strategies_of_this_test_fill_every_field_of_a_cell() -> None:
    assert set(fields) == set(CellCounts.__struct_fields__)


@given(cells)
def test_equal_cells_have_no_difference(one: CellCounts) -> None:
    assert differences(one, replace(one)) == []


@given(cells, st.sampled_from(sorted(fields)), st.data())
def test_a_changed_counter_is_found_and_named_and_no_other(
    one: CellCounts, name: str, data: st.DataObject
) -> None:
    before = getattr(one, name)
    changed = data.draw(fields[name].filter(lambda value: value != before))
    found = differences(one, replace(one, **{name: changed}))
    assert found
    assert {difference.counter.partition(".")[0] for difference in found} == {name}


@given(cells, cells)
def test_what_differs_forth_differs_back_by_as_much(one: CellCounts, other: CellCounts) -> None:
    forth = {d.counter: d for d in differences(one, other)}
    back = {d.counter: d for d in differences(other, one)}
    assert forth.keys() == back.keys()
    for name, difference in forth.items():
        assert difference.added == back[name].removed
        assert difference.change == (None if back[name].change is None else -back[name].change)


def test_a_change_is_told_absolute_and_relative() -> None:
    (found,) = differences(cell(), cell(saved_bytes=800))
    assert (found.change, found.fraction) == (160, 0.25)


def test_growing_from_nothing_has_no_percentage() -> None:
    (found,) = differences(cell(), cell(strategy_bytes=5))
    assert (found.change, found.fraction) == (5, None)


# --- meaning --------------------------------------------------------------------------------------


@given(cells, cells)
def test_every_difference_means_something(one: CellCounts, other: CellCounts) -> None:
    found = differences(one, other)
    assert bool(meaning.read(found).sentences) == bool(found)


@given(cells, st.sampled_from(sorted(fields)), st.data())
def test_so_does_a_change_of_one_counter_alone(
    one: CellCounts, name: str, data: st.DataObject
) -> None:
    before = getattr(one, name)
    changed = data.draw(fields[name].filter(lambda value: value != before))
    assert meaning.read(differences(one, replace(one, **{name: changed}))).sentences


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"gradient_bytes": Split(400, 100)}, "a gradient is stored for the frozen part again"),
        ({"backward_flops": 900}, "a frozen layer is back in the graph"),
        ({"autograd_nodes": 9}, "a frozen layer is back in the graph"),
        ({"saved_bytes": 900}, "keeps an activation"),
        ({"optimizer_bytes": Split(8, 200)}, "the optimizer holds frozen parameters again"),
        ({"operators": {"forward": 10, "backward": 20, "update": 9}}, "the update takes another"),
        ({"operators": {"forward": 9, "backward": 20, "update": 30}}, "the forward pass takes"),
        ({"forward_flops": 2000}, "the model itself has changed: its forward pass"),
        ({"parameter_bytes": Split(400, 104)}, "the model itself has changed: it has other param"),
        ({"parameter_bytes": Split(300, 200)}, "parameters went from one part to the other"),
        ({"buffer_bytes": Split(8, 0)}, "the model has other buffers"),
        ({"predicted_peak_bytes": 4100}, "a temporary lives longer"),
        ({"strategy_bytes": 64}, "the strategy itself keeps more"),
        ({"frozen_tensors": 5}, "another number of frozen tensors"),
        ({"counted_on": "cpu"}, "counted on the CPU, and was counted on the meta device"),
        ({"moved": ("a (buffer)",)}, "more of the frozen part moves: a (buffer)"),
    ],
)
def test_differences_are_told_by_their_usual_cause(changes: dict[str, Any], expected: str) -> None:
    assert expected in said(**changes)


def test_a_peak_that_follows_from_other_bytes_is_not_explained_again() -> None:
    assert "temporary" not in said(predicted_peak_bytes=4640, saved_bytes=1280)


def test_a_changed_model_is_not_read_as_a_layer_back_in_the_graph() -> None:
    assert "graph" not in said(forward_flops=2000, backward_flops=1000, autograd_nodes=9)


def test_a_frozen_layer_back_in_the_graph_is_told_once() -> None:
    found = read(backward_flops=900, autograd_nodes=9, saved_bytes=900, predicted_peak_bytes=9000)
    assert found.sentences == ["a frozen layer is back in the graph"]
    assert not found.improvement


def test_a_verdict_that_turned_bad_is_told_with_its_reason() -> None:
    found = read(why="frozen, but moved: bn.mean", verdict="leaks", moved=("bn.mean (buffer)",))
    assert found.sentences == ["the verdict became leaks, and was ok: frozen, but moved: bn.mean"]


@pytest.mark.parametrize(
    ("changes", "better"),
    [
        ({"backward_flops": 100, "autograd_nodes": 3, "saved_bytes": 5}, True),
        ({"predicted_peak_bytes": 3000}, True),
        ({"backward_flops": 100, "saved_bytes": 700}, False),
        ({"optimizer_bytes": Split(0, 100)}, False),
        ({"parameter_bytes": Split(300, 100)}, False),
        ({"verdict": "diverges", "backward_flops": 100}, False),
        ({"saved_bytes": None}, False),
    ],
)
def test_an_improvement_is_less_of_a_cost_and_nothing_else(
    changes: dict[str, Any], better: bool
) -> None:
    assert read(**changes).improvement is better


def test_a_leak_that_is_closed_is_an_improvement() -> None:
    leaks = cell(verdict="leaks", moved=("a (buffer)",))
    assert meaning.read(differences(leaks, cell())).improvement


@given(cells, cells)
def test_there_and_back_is_never_an_improvement_both_ways(
    one: CellCounts, other: CellCounts
) -> None:
    both = [meaning.read(differences(a, b)) for a, b in ((one, other), (other, one))]
    improving = {d.counter for d in differences(one, other)} - {"verdict", "midway_verdict"}
    assert not improving or not all(reading.improvement for reading in both)


# --- invariants -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "leaks"},
        {"midway_moved": ("a (parameter)",)},
        {"forward_flops": 1},
        {"gradient_bytes": Split(1, 100)},
        {"optimizer_bytes": Split(0, 1)},
        {"parameter_bytes": Split(1, 1)},
        {"buffer_bytes": Split(1, 1)},
    ],
)
def test_no_torch_may_change_what_is_frozen_and_what_it_weighs(changes: dict[str, Any]) -> None:
    found = differences(cell(), cell(**changes))
    assert invariants.kept(found) == found


def test_another_torch_may_run_other_operators_and_keep_other_bytes() -> None:
    other = cell(
        operators={"forward": 1, "backward": 1, "update": 1},
        autograd_nodes=1,
        saved_bytes=1,
        predicted_peak_bytes=1,
        backward_flops=1,
    )
    assert invariants.kept(differences(cell(), other)) == []


FULL = cell(verdict="reference", backward_flops=2000, autograd_nodes=12, saved_bytes=640)


def test_an_ordering_that_holds_must_go_on_holding() -> None:
    stored = workload({"full": FULL, "requires_grad": cell()})
    now = workload({"full": FULL, "requires_grad": cell(backward_flops=2001)})
    (sentence,) = invariants.disorders(stored, now)["requires_grad"]
    assert "backward_flops is 2001, above full's 2000" in sentence


def test_an_ordering_that_never_held_is_not_demanded() -> None:
    above = cell(saved_bytes=641)
    stored = workload({"full": FULL, "functional": above})
    assert invariants.orderings(stored) == {"functional": ["backward_flops", "autograd_nodes"]}
    assert invariants.disorders(stored, workload({"full": FULL, "functional": above})) == {}


@given(cells, cells)
def test_stored_counts_are_in_order_with_themselves(full: CellCounts, other: CellCounts) -> None:
    stored = workload({"full": full, "other": other})
    assert invariants.disorders(stored, stored) == {}
