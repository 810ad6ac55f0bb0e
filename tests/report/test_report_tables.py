"""The tables: tidy, CSV, Markdown."""

from __future__ import annotations

import io
import math

import pandas as pd
import pytest
from msgspec.structs import replace

from bench.names import fold, printable, shorten
from bench.records import Drift, Energy, Interval, Moved
from bench.report.command import command
from bench.report.frame import COLUMNS, tidy
from bench.report.reading import behind
from bench.report.table_csv import table_csv
from bench.report.table_md import code, escape, table_md

SMALL = Moved("small", "parameter", 0.1, 0.1, 0.05)
LARGE = Moved("large", "parameter", 1.0, 1.0, 0.5)
FROM_ZERO = Moved("from zero", "parameter", 1.0, 1.0, None)
TO_NAN = Moved("to nan", "buffer", None, None, None)


def _csv(run):
    return pd.read_csv(io.BytesIO(table_csv(run)))


def test_the_csv_reads_back_as_one_row_a_cell(make_run):
    run = make_run()
    read = _csv(run)
    assert len(read) == len(run.cells)
    assert list(zip(read.workload, read.strategy, strict=True)) == [
        (cell.workload, cell.strategy) for cell in run.cells
    ]


def test_the_csv_keeps_every_digit_of_a_time(make_run):
    run = make_run()
    expected = run.cells[1].summary.phases["backward"].seconds.value
    assert _csv(run).backward_typical_s[1] == expected


def test_a_run_without_cells_still_has_its_columns(make_run):
    run = make_run(cells=[])
    assert list(tidy(run).columns) == list(COLUMNS)
    assert len(_csv(run)) == 0


def test_a_figure_that_was_not_measured_is_missing_and_not_zero(make_run, make_cell):
    frame = tidy(make_run(cells=[make_cell("policy", "restore", "failed")]))
    row = frame.loc[0]
    assert row[["total_typical_s", "peak_bytes", "gradient_frozen_bytes"]].isna().all()
    assert row["why"].startswith("RuntimeError")


def test_sizes_stay_whole_numbers_beside_missing_ones(make_run, make_cell):
    cells = [make_cell("policy", "full", "reference"), make_cell("policy", "x", "failed")]
    first = table_csv(make_run(cells=cells)).decode().splitlines()[1]
    assert str(cells[0].memory.peak_bytes) in first.split(",")


def test_a_tensor_that_became_nan_has_moved_by_infinity(make_run, make_cell):
    cell = make_cell("policy", "lr_zero", "leaks")
    moved = [Moved("a", "parameter", 1.0, 1.0, 0.5), Moved("b", "buffer", None, None, None)]
    cells = [type(cell)(**{**_fields(cell), "drift": Drift(5, 2, moved)})]
    row = tidy(make_run(cells=cells)).loc[0]
    assert row["largest_moved"] == "b"
    assert math.isinf(row["largest_moved_relative"])


@pytest.mark.parametrize(
    ("moved", "told"),
    [
        ([SMALL, LARGE], "moved 0.50"),
        ([FROM_ZERO], "moved from 0"),
        ([FROM_ZERO, LARGE], "moved 0.50"),
        ([SMALL, TO_NAN, FROM_ZERO], "moved to NaN or ∞"),
    ],
)
def test_the_figure_behind_a_leak_says_what_a_ratio_cannot(moved, told):
    assert behind("leaks", Drift(5, 2, moved)) == told


def _fields(record):
    return {name: getattr(record, name) for name in record.__struct_fields__}


def test_the_markdown_names_every_strategy_and_workload(make_run):
    run = make_run()
    text = table_md(run).decode()
    assert all(f"| `{cell.strategy}` |" in text for cell in run.cells)
    assert all(f"## {name}" in text for name in ("policy", "nested_policy", "adapter"))


def test_every_row_of_the_markdown_has_as_many_fields_as_its_header(make_run):
    run = make_run(("pipe|name", "policy"), strategies=("full", "a|b", "tick`|`tick"))
    rows = [line for line in table_md(run).decode().splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {14}


def test_the_markdown_has_a_column_of_energy_where_it_was_measured_alone(make_run):
    run = make_run(("policy",))
    assert "J a step" not in table_md(run).decode()
    spent = Energy(Interval(12.5, 12.0, 13.0), "gpu counter", 100, 2.5)
    cells = [replace(cell, energy=spent) for cell in run.cells[:1]] + run.cells[1:]
    lines = table_md(replace(run, cells=cells)).decode().splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in rows} == {15}
    assert "| J a step |" in rows[0]
    assert "| 12.5 |" in rows[2]
    assert any("*J a step* is what" in line for line in lines)


def test_the_markdown_gives_the_reason_of_every_cell_that_is_not_ok(make_run):
    run = make_run()
    text = table_md(run).decode()
    assert "- `restore` failed: RuntimeError: Inference tensors cannot be saved" in text
    assert "- `clear_grads` midway leaks: 2 of 12 frozen tensors moved" in text
    assert text.count(" severed, midway too: 2 of 4 trainable tensors") == 4


def test_the_markdown_says_machine_and_command(make_run):
    text = table_md(make_run()).decode()
    assert "AMD EPYC 9R14, 2 cores" in text
    assert "torch: 2.14.1" in text
    assert "    freezebench run --workload policy" in text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("<script>", "\\<script\\>"),
        ("a|b", "a\\|b"),
        ("requires_grad", "requires_grad"),
        ("_emphasis_", "\\_emphasis\\_"),
        ("[a](javascript:b)", "[a\\](javascript:b)"),
        ("0.34 [0.32, 0.36]", "0.34 [0.32, 0.36]"),
        ("# heading\nnext", "\\# heading next"),
        ("1. item", "1\\. item"),
        ("2.14.1", "2.14.1"),
        ("$x$", "\\$x\\$"),
    ],
)
def test_what_markdown_takes_as_markup_is_escaped(text, escaped):
    assert escape(text) == escaped


@pytest.mark.parametrize(
    ("name", "span"), [("a", "`a`"), ("a`b", "``a`b``"), ("`", "`` ` ``"), ("a|b", "`a\\|b`")]
)
def test_a_name_becomes_a_code_span_that_ends_where_it_should(name, span):
    assert code(name) == span


def test_the_command_is_quoted_for_a_shell(make_run):
    line = command(make_run(("a b; rm -rf x",), strategies=("full",)).request)
    assert "--workload 'a b; rm -rf x' --strategy full --device cpu" in line


@pytest.mark.parametrize("energy", [False, True])
def test_the_command_asks_for_what_was_asked_for(make_run, energy):
    request = replace(make_run().request, energy=energy)
    assert ("--energy" in command(request)) == energy


def test_a_long_name_loses_its_middle():
    assert shorten("torchvision:resnet18", 11) == "torch…net18"
    assert len(shorten("a" * 200, 30)) == 30


def test_control_characters_and_direction_overrides_never_reach_a_reader():
    assert printable("a\x1b[31m\nb\u202ec") == "a\ufffd[31m b\ufffdc"


def test_a_name_folds_behind_its_punctuation():
    assert fold("torchvision:resnet18", 15) == "torchvision:\nresnet18"
    assert all(len(line) <= 15 for line in fold("x" * 200, 15).split("\n"))
