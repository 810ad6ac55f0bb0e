from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage import make_cell, times

from bench.records import Cell, Telemetry
from bench.run.messages import TurnReading
from bench.run.recording import new_cell, with_samples_of, with_turn

if TYPE_CHECKING:
    from collections.abc import Sequence

FIGURES = ("load", "watts", "throttled_by")


def recorded(readings: Sequence[dict[str, Any]], cell: Cell | None = None) -> Cell:
    cell = cell or new_cell(make_cell("full"))
    for number, reading in enumerate(readings):
        turn = TurnReading(times(1.0), None, 1.0, 1.0, 0, telemetry=reading)
        cell = with_turn(cell, 1, number, turn)
    return cell


def test_readings_become_columns_parallel_to_the_turns() -> None:
    cell = recorded(
        [{"load": 1.0, "throttled_by": ""}, {"load": 2.0, "throttled_by": "hw_thermal"}]
    )
    assert cell.telemetry == Telemetry(load=[1.0, 2.0], throttled_by=["", "hw_thermal"])


def test_a_column_that_appears_late_was_absent_before() -> None:
    assert recorded([{}, {"watts": 3.0}]).telemetry == Telemetry(watts=[None, 3.0])


def test_a_column_that_ends_is_absent_from_then_on() -> None:
    assert recorded([{"watts": 3.0}, {}]).telemetry == Telemetry(watts=[3.0, None])


def test_a_column_that_never_had_a_value_is_left_out() -> None:
    assert recorded([{"watts": None}, {"load": 1.0}]).telemetry == Telemetry(load=[None, 1.0])


def test_a_machine_that_tells_nothing_has_no_telemetry() -> None:
    assert recorded([{}, {"watts": None}]).telemetry is None


def test_a_zero_is_a_reading() -> None:
    assert recorded([{"load": 0.0}]).telemetry == Telemetry(load=[0.0])


def test_a_cell_taken_up_again_goes_on_with_its_columns() -> None:
    before = recorded([{"load": 1.0}])
    surveyed_again = with_samples_of(before, new_cell(make_cell("full")))
    assert recorded([{"load": 2.0}], surveyed_again).telemetry == Telemetry(load=[1.0, 2.0])


def test_turns_from_before_there_was_telemetry_have_none() -> None:
    cell = recorded([{}, {}, {"load": 1.0}])
    assert cell.telemetry == Telemetry(load=[None, None, 1.0])


@given(st.lists(st.dictionaries(st.sampled_from(FIGURES), st.none() | st.just(1.0))))
def test_every_column_is_as_long_as_there_are_turns(readings: list[dict[str, Any]]) -> None:
    cell = recorded(readings)
    columns = [] if cell.telemetry is None else msgspec.structs.asdict(cell.telemetry).values()
    assert {len(column) for column in columns if column is not None} <= {len(cell.interference)}


@pytest.mark.parametrize("column", Telemetry.__struct_fields__)
def test_every_column_survives_the_file(column: str) -> None:
    value: Any = "hw_thermal" if column == "throttled_by" else 1
    cell = recorded([{column: value}, {}])
    assert msgspec.json.decode(msgspec.json.encode(cell), type=Cell) == cell
