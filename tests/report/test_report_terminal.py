"""The table in a terminal, and the sentences below it."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console

from bench.records import Energy, Interval
from bench.report.sentences import sentences, winner
from bench.report.terminal import show


def _shown(run, width, **options):
    stream = io.StringIO()
    show(run, Console(file=stream, width=width, **options))
    return stream.getvalue()


WIDTHS = pytest.mark.parametrize("width", [60, 80, 100, 160])


@WIDTHS
def test_names_and_verdicts_are_whole_at_every_width(make_run, width):
    names = ("full", "requires_grad+eval", "optimizer_subset+eval", "no_grad", "restore")
    run = make_run(strategies=names)
    lines = _shown(run, width).splitlines()
    for cell in run.cells:
        assert any(line.startswith(cell.strategy) and cell.verdict in line for line in lines)


@WIDTHS
def test_no_line_is_wider_than_the_terminal(make_run, width):
    assert max(map(len, _shown(make_run(), width).splitlines())) <= width


@WIDTHS
def test_the_total_time_is_always_among_the_columns(make_run, width):
    assert "total" in _shown(make_run(), width)


def test_a_wide_terminal_shows_both_bounds_and_every_phase(make_run):
    header = next(line for line in _shown(make_run(), 180).splitlines() if "strategy" in line)
    assert header.split()[:7] == [
        "strategy", "verdict", "midway", "forward", "backward", "update", "total",
    ]  # fmt: skip


def test_energy_is_a_column_where_it_was_measured(make_run):
    run = make_run(("policy",), strategies=("full", "no_grad"))
    spent = Energy(Interval(12.5, 12.0, 13.0), "gpu counter", 100, 2.5)
    cells = [msgspec.structs.replace(cell, energy=spent) for cell in run.cells]
    assert "12.5 J" in _shown(msgspec.structs.replace(run, cells=cells), 180)


def test_energy_is_no_column_where_no_machine_told_it(make_run):
    assert "energy" not in _shown(make_run(("policy",)), 180)


def test_equal_reasons_are_said_once(make_run):
    text = _shown(make_run(), 200)
    assert "× no_grad, detach, inference_mode, feature_cache: 2 of 4 trainable" in text


def test_a_verdict_has_a_sign_so_that_colour_never_stands_alone(make_run):
    text = _shown(make_run(), 100, no_color=True, force_terminal=True)
    assert "✓ ok" in text
    assert "! leaks" in text
    assert "≠ diverges" in text


def test_no_color_is_honoured(make_run, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in _shown(make_run(), 100, force_terminal=True)


def test_a_terminal_without_unicode_gets_ascii(make_run):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show(make_run(), Console(file=stream, width=100))
    stream.flush()
    assert b"x severed" in stream.buffer.getvalue()


def test_markup_and_escapes_in_names_are_shown_and_not_obeyed(make_run):
    run = make_run(("[red]x[/red]",), strategies=("full", "[bold]y", "z\x1b[2J"))
    text = _shown(run, 100)
    assert "[red]x[/red]" in text
    assert "[bold]y" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("width", [20, 60, 160])
def test_names_of_200_characters_fit_somehow(make_run, width):
    text = _shown(make_run(("w" * 200,), strategies=("full", "s" * 200)), width)
    assert max(map(len, text.splitlines())) <= max(width, 20)


def test_a_run_without_cells_says_so(make_run):
    assert "nothing was measured yet" in _shown(make_run(cells=[]), 80)


def _winner(make_run, *cells):
    return winner("policy", make_run(cells=cells).cells)


def _cell(make_cell, strategy, costs, **options):
    return make_cell("policy", strategy, costs=(*costs, 0.0), **options)


def test_the_winner_is_said_with_its_interval_the_ideal_and_its_memory(make_run, make_cell):
    said = _winner(
        make_run,
        make_cell("policy", "full", "reference"),
        _cell(make_cell, "requires_grad", (1.0, 0.2, 0.2)),
        _cell(make_cell, "lr_zero", (1.0, 1.0, 1.0)),
    )
    assert said.startswith("policy: requires_grad trains the same at 0.3")
    assert "× [0.3" in said
    assert "(the FLOPs allow 0.22×) and 37% of its peak memory" in said
    assert "lr_zero" not in said


def test_overlapping_intervals_cannot_be_told_apart(make_run, make_cell):
    said = _winner(
        make_run,
        make_cell("policy", "full", "reference"),
        _cell(make_cell, "requires_grad", (1.0, 0.2, 0.2)),
        _cell(make_cell, "detach", (1.0, 0.2, 0.2)),
    )
    assert "; detach can't be told apart from it" in said


def test_a_faster_strategy_that_leaks_does_not_win(make_run, make_cell):
    said = _winner(
        make_run,
        make_cell("policy", "full", "reference"),
        make_cell("policy", "fast", "leaks", costs=(0.1, 0.1, 0.1, 0.0)),
        _cell(make_cell, "detach", (1.0, 0.2, 0.2)),
    )
    assert said.startswith("policy: detach trains the same")


def test_without_an_ok_cell_the_verdicts_are_counted(make_run, make_cell):
    said = _winner(
        make_run,
        make_cell("policy", "full", "reference"),
        make_cell("policy", "detach", "severed"),
        make_cell("policy", "no_grad", "severed"),
        make_cell("policy", "restore", "failed"),
    )
    assert "(2 severed, 1 failed)" in said


def test_ok_cells_without_a_timing_are_not_ranked(make_run, make_cell):
    cell = make_cell("policy", "detach", "ok")
    untimed = type(cell)(
        **{name: getattr(cell, name) for name in cell.__struct_fields__ if name != "summary"}
    )
    assert "no time relative to full was measured" in _winner(make_run, untimed)


def test_one_life_leaves_the_order_open(make_run, make_cell):
    said = _winner(
        make_run,
        make_cell("policy", "full", "reference", lives=1),
        _cell(make_cell, "detach", (1.0, 0.2, 0.2), lives=1),
    )
    assert said.endswith("no interval and none can be said to be the fastest.")


def test_nothing_wins_where_nothing_is_faster(make_run, make_cell):
    said = _winner(
        make_run,
        make_cell("policy", "full", "reference"),
        _cell(make_cell, "mask_grads", (1.0, 1.1, 1.1)),
    )
    assert "no strategy that trains the same is faster than full beyond doubt" in said


def test_a_winner_that_leaks_midway_is_said_to(make_run, make_cell):
    said = _winner(
        make_run,
        make_cell("policy", "full", "reference"),
        _cell(make_cell, "detach", (1.0, 0.2, 0.2), midway="leaks"),
    )
    assert "applied in the middle of training its verdict is leaks" in said


def test_a_cache_that_has_to_be_filled_is_said_to(make_run):
    assert "plus 11.8 ms once for each batch" in sentences(make_run())[0]


def test_what_was_not_reached_is_said_with_what_to_do(make_run):
    said = " ".join(sentences(make_run(precise=False)))
    assert "The precision asked for (5.0%) was not reached in 37 cells" in said
    assert "larger --budget" in said


def test_a_run_in_one_life_says_that_there_are_no_intervals(make_run):
    said = " ".join(sentences(make_run(precise=False, lives=1)))
    assert "one life alone was measured" in said


def test_launch_bound_cells_are_named(make_run):
    said = " ".join(sentences(make_run(("policy",), ("full", "detach"), launch_bound=True)))
    assert "Launch-bound: policy/full, policy/detach." in said


def test_interference_is_said_only_where_it_was_frequent(make_run):
    assert not any("Other work" in said for said in sentences(make_run(involuntary=0)))
    assert any("Other work" in said for said in sentences(make_run(involuntary=9)))
