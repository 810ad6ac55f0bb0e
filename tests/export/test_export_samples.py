"""The raw samples, tidy."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from msgspec.structs import replace

from bench.export import export
from bench.export.samples import COLUMNS, samples
from bench.records import PHASES
from bench.summary import paired_ratio, turn_medians

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.records import Cell, Run


def read(run: Run) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(export(run, "csv")))


def test_there_is_a_row_for_each_sample_and_phase(any_run: Run) -> None:
    steps = sum(len(cell.samples.total) for cell in any_run.cells)
    table = read(any_run)
    assert len(table) == len(PHASES) * steps
    assert list(table) == list(COLUMNS)
    key = ["workload", "strategy", "life", "round", "position", "phase"]
    assert not table.duplicated(key).any()


def test_samples_are_those_of_the_record_to_the_last_digit(whole: Run) -> None:
    table = read(whole)
    for cell in whole.cells:
        for phase in PHASES:
            rows = table[(table.strategy == cell.strategy) & (table.phase == phase)]
            assert list(rows.seconds) == getattr(cell.samples, phase)
            assert list(rows.position) == cell.origin.position


def test_the_ratio_of_the_report_follows_from_the_samples_that_count(whole: Run) -> None:
    table = read(whole)
    used = table[table.counts & (table.phase == "backward")]
    turns = used.groupby(["strategy", "life", "round"]).seconds.median()
    medians = {
        name: {key[1:]: value for key, value in turns.items() if key[0] == name}
        for name in ("no_grad", "full")
    }
    assert medians["full"] == turn_medians(whole.cells[0].samples.backward, whole.cells[0].origin)
    ratio = paired_ratio(medians["no_grad"], medians["full"])
    assert ratio.mean == pytest.approx(whole.cells[1].summary.phases["backward"].ratio.value)


def test_the_only_step_of_a_turn_counts(make_cell: Callable[..., Cell]) -> None:
    from bench.export.figures import counting  # noqa: PLC0415
    from bench.records import Origin, Samples  # noqa: PLC0415

    cell = make_cell(
        "no_grad",
        samples=Samples(*[[1.0] * 4] * 4),
        origin=Origin([1, 1, 1, 2], [0, 0, 1, 0], [0, 1, 0, 0]),
    )
    assert counting(cell) == [False, True, True, True]


def test_the_host_s_time_stands_beside_the_device_s_where_there_is_one(whole: Run) -> None:
    assert read(whole).host_seconds.isna().all()
    cell = replace(whole.cells[0], host_samples=whole.cells[0].samples)
    table = read(replace(whole, cells=[cell]))
    assert list(table.host_seconds) == list(table.seconds)


def test_parquet_holds_the_same_frame_with_its_types(any_run: Run) -> None:
    pytest.importorskip("pyarrow")
    table = pd.read_parquet(io.BytesIO(export(any_run, "parquet")), dtype_backend="numpy_nullable")
    pd.testing.assert_frame_equal(table.astype(COLUMNS), samples(any_run))
    kinds = {str(table[name].dtype) for name in ("life", "batch", "seconds")}
    assert len(table) == 0 or kinds == {"Int64", "Float64"}
