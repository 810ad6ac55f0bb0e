"""What the charts are made from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from page_runs import MACHINE, build_cell

from bench.page.chart import NAME_WIDTH, labels
from bench.page.charts import pareto, phases, ratio, turns
from bench.records import Telemetry


def _values(chart, layer):
    return chart.spec["layer"][layer]["data"]["values"]


def _turn_rows(cell, most=400):
    return _values(turns.draw([cell], MACHINE, most), -1)


@given(st.lists(st.text(), unique=True))
def test_labels_tell_strategies_apart(names):
    shown = labels(names)
    assert len(set(shown.values())) == len(names)


@given(st.text())
def test_a_label_is_short(name):
    assert len(labels([name])[name]) <= NAME_WIDTH


def test_only_what_is_ok_is_ranked():
    cells = [build_cell(), build_cell(strategy="no_grad", verdict="leaks")]
    kinds = {row["strategy"]: row["kind"] for row in _values(pareto.draw(cells), 1)}
    assert kinds == {"requires_grad": "not beaten", "no_grad": "not ranked"}


def test_a_turn_is_one_point():
    rows = [row for row in _turn_rows(build_cell(lives=2, rounds=4)) if row["kind"] != "warm-up"]
    assert [(row["life"], row["round"]) for row in rows] == [
        (life, str(number)) for life in (1, 2) for number in (1, 2, 3, 4)
    ]


def test_each_life_has_a_point_for_its_warm_up():
    rows = [row for row in _turn_rows(build_cell(lives=3)) if row["kind"] == "warm-up"]
    assert [row["life"] for row in rows] == [1, 2, 3]


def test_thinning_keeps_the_turn_that_stands_out():
    cell = build_cell(lives=1, rounds=100)
    cell.samples.total[50:52] = [1.0, 1.0]
    kept = [row["round"] for row in _turn_rows(cell, most=10)]
    assert "26" in kept


def test_thinning_keeps_at_most_as_many_as_asked():
    rows = _turn_rows(build_cell(lives=1, rounds=100), most=30)
    assert len([row for row in rows if row["kind"] != "warm-up"]) <= 30


def _kinds(telemetry):
    rows = _turn_rows(build_cell(lives=1, rounds=4, telemetry=telemetry))
    return [row["kind"] for row in rows if row["kind"] != "warm-up"]


def test_a_throttled_turn_is_marked():
    kinds = _kinds(Telemetry(throttled_by=["", "hw_thermal", "sw_power_cap", ""]))
    assert kinds == ["usual", "throttled", "usual", "usual"]


def test_a_turn_with_others_on_the_gpu_is_marked():
    kinds = _kinds(Telemetry(foreign_processes=[0, 0, 1, None]))
    assert kinds == ["usual", "usual", "disturbed", "usual"]


def test_a_reading_that_failed_marks_nothing():
    kinds = _kinds(Telemetry(stolen_seconds=[None] * 4, throttled_by=[None] * 4))
    assert kinds == ["usual"] * 4


def test_nothing_is_drawn_of_cells_without_a_time():
    cells = [build_cell(verdict="severed")]
    assert [chart.draw(cells) for chart in (phases, ratio, pareto)] == [None] * 3
    assert turns.draw(cells, MACHINE) is None
