"""The plots: they render whatever a run holds, the same each time."""

from __future__ import annotations

import warnings
from importlib import import_module
from itertools import pairwise
from xml.etree import ElementTree

import matplotlib as mpl
import msgspec
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from bench.report import PLOTS, files
from bench.report.look import render

HOSTILE = (
    "<script>alert(1)</script>",
    "עברית שלום",
    "🔥🧊 冻结",
    "$\\frac{x}$_{^",
    "a\x1b\nb",
    "w" * 200,
)

plots = pytest.mark.parametrize("plot", PLOTS)


def _draw(plot, run):
    """The figure of a plot, rendered once with every warning an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = import_module(f"bench.report.{plot}").draw(run)
        assert render(figure, "png").startswith(b"\x89PNG")
    return figure


@plots
@pytest.mark.parametrize("workloads", [1, 3, 6])
@pytest.mark.parametrize("strategies", [0, 1, 14])
def test_plots_render_for_few_and_for_many_cells(make_run, plot, strategies, workloads):
    usual = make_run()
    names = list(dict.fromkeys(cell.strategy for cell in usual.cells))[:strategies]
    _draw(plot, make_run([f"workload_{place}" for place in range(workloads)], names))


@plots
def test_plots_render_hostile_names(make_run, plot):
    _draw(plot, make_run(HOSTILE, strategies=("full", *HOSTILE)))


@plots
def test_plots_render_where_everything_failed(make_run, make_cell, plot):
    _draw(plot, make_run(cells=[make_cell("policy", "full", "failed")]))


@plots
def test_plots_render_where_no_interval_is_known(make_run, plot):
    _draw(plot, make_run(lives=1, midway=None))


@pytest.mark.parametrize("plot", ["ratio", "phases"])
@pytest.mark.parametrize("lives", [1, 4])
def test_a_time_without_an_interval_looks_and_is_told_otherwise(make_run, plot, lives):
    svg = render(_draw(plot, make_run(lives=lives)), "svg").decode()
    assert ("lived only once" in svg) == (lives == 1)


@pytest.mark.parametrize("known", [True, False])
def test_what_nobody_could_count_as_saved_is_told_as_unknown_and_not_as_nothing(
    make_run, make_cell, known
):
    cell = make_cell("policy", "functional")
    if not known:
        memory = msgspec.structs.replace(cell.memory, saved_bytes=None)
        cell = msgspec.structs.replace(cell, memory=memory)
    cells = [make_cell("policy", "full", "reference"), cell]
    svg = render(_draw("memory", make_run(cells=cells)), "svg").decode()
    assert ("Not known: " in svg) == (not known)


@plots
def test_plots_render_where_workloads_have_different_strategies(make_run, make_cell, plot):
    cells = [make_cell("policy", "full", "reference"), make_cell("adapter", "detach")]
    _draw(plot, make_run(cells=cells))


@plots
def test_the_svg_is_the_same_each_time_and_well_formed(make_run, plot):
    run = make_run(HOSTILE[:2], strategies=("full", "detach", HOSTILE[0]))
    draw = import_module(f"bench.report.{plot}").draw
    first = render(draw(run), "svg")
    assert first == render(draw(run), "svg")
    root = ElementTree.fromstring(first)
    assert not [element for element in root.iter() if element.tag.endswith("script")]


@plots
def test_the_png_is_the_same_each_time_and_undated(make_run, plot):
    run = make_run(("policy",), strategies=("full", "detach"))
    first, second = (render(_draw(plot, run), "png") for _ in range(2))
    assert first == second
    assert b"Software" not in first
    assert b"date" not in first


@plots
def test_drawing_leaves_the_settings_of_matplotlib_alone(make_run, plot):
    before = dict(mpl.rcParams)
    _draw(plot, make_run(("policy",), strategies=("full", "detach")))
    assert dict(mpl.rcParams) == before


def _extents(figure, texts):
    renderer = FigureCanvasAgg(figure).get_renderer()
    return [text.get_window_extent(renderer) for text in texts if text.get_text()]


@plots
@pytest.mark.parametrize("workloads", [("policy",), ("policy", "adapter", "w" * 200), HOSTILE])
def test_labels_neither_overlap_nor_leave_the_figure(make_run, plot, workloads):
    names = ("full", "optimizer_subset+eval", "s" * 200, "lr_zero", "restore")
    figure = _draw(plot, make_run(workloads, strategies=names))
    for axes in figure.axes:
        low, high = axes.get_xlim()
        below = [text for text in axes.get_xticklabels() if low <= text.get_position()[0] <= high]
        for ticks in (below, axes.get_yticklabels()):
            boxes = _extents(figure, ticks)
            assert not any(one.overlaps(other) for one, other in pairwise(boxes))
            assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)
        remarks = _extents(figure, axes.texts)
        assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in remarks)
    around = _extents(figure, figure.texts)
    assert all(box.x1 <= figure.bbox.x1 and box.y0 >= 0 for box in around)


def test_every_file_of_a_report_has_its_name(make_run):
    names = [name for name, _ in files(make_run(("policy",), strategies=("full", "detach")))]
    assert names == [
        "table.md",
        "table.csv",
        *(f"{plot}.{form}" for plot in PLOTS for form in ("png", "svg")),
    ]
