"""The time gate's plot: every gate can be drawn, the same each time, with all its text inside."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
from gate_time_records import HOSTILE, SHARES, cell, every, failed, gate, row
from matplotlib.backends.backend_agg import FigureCanvasAgg
from msgspec.structs import replace

from bench.report.gate.time_plot import draw
from bench.report.look import render

if TYPE_CHECKING:
    from bench.gate.time.record import Gate


def drawn(found: Gate) -> Any:
    """The figure, rendered once with every warning an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw(found)
        assert render(figure, "png").startswith(b"\x89PNG")
    return figure


@every
def test_every_gate_can_be_drawn(found: Gate) -> None:
    drawn(found)


@pytest.mark.parametrize("cells", [1, 10])
def test_one_row_and_forty_rows_keep_their_height(cells: int) -> None:
    rows = [replace(one, workload=f"w{n}") for n in range(cells) for one in cell()]
    figure = drawn(gate(rows=rows if cells > 1 else rows[:1]))
    assert figure.get_size_inches()[1] > 0.3 * (len(rows) if cells > 1 else 1)


def test_every_row_has_its_interval_margin_and_controls() -> None:
    (axes,) = drawn(failed()).axes
    points = {round(float(x), 3) for held in axes.collections for x, _ in held.get_offsets()}
    assert {1.12, 1.08, 0.997, 1.098} <= points
    segments = [segment for held in axes.collections for segment in _segments(held)]
    upright = {round(float(one[0][0]), 3) for one in segments if one[0][0] == one[1][0]}
    level = {(round(float(a[0]), 3), round(float(b[0]), 3)) for a, b in segments if a[1] == b[1]}
    assert upright == {1.05, 1.03}
    assert {(1.11, 1.13), (1.07, 1.09)} <= level


def _segments(collection: Any) -> list[Any]:
    return collection.get_segments() if hasattr(collection, "get_segments") else []


def test_no_text_leaves_the_picture_whatever_the_names_are() -> None:
    rows = [row(phase, workload=name, improved=True, answer="PASS", judged=True)
            for name in HOSTILE for phase in SHARES]  # fmt: skip
    figure = drawn(gate(rows=[*rows, row("update", 0.001)]))
    renderer = FigureCanvasAgg(figure).get_renderer()
    for text in [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]:
        box = text.get_window_extent(renderer)
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1


def test_the_picture_is_the_same_each_time() -> None:
    assert render(draw(failed()), "svg") == render(draw(failed()), "svg")
