"""Every comparison that a collection allows, and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from collection_runs import MACHINE, cells, run, stored
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.collection.alike import alike
from bench.collection.gathering import gather

if TYPE_CHECKING:
    from pathlib import Path

    from bench.collection.compared import Comparison
    from bench.records import Run

replace = msgspec.structs.replace


def compared(folder: Path, *runs: Run) -> list[Comparison]:
    for place, each in enumerate(runs):
        stored(folder, replace(each, id=f"20260101-00000{place}-aaaa"))
    return alike(gather([folder]).entries)


def told(comparisons: list[Comparison]) -> list[tuple[str, list[str], list[str]]]:
    return [
        (
            each.axis,
            [column.label for column in each.columns],
            [workload.workload for workload in each.workloads],
        )
        for each in comparisons
    ]


def test_one_run_alone_is_compared_with_nothing(tmp_path: Path) -> None:
    assert compared(tmp_path, run()) == []


def test_the_same_again_is_no_comparison(tmp_path: Path) -> None:
    assert compared(tmp_path, run(), run()) == []


@pytest.mark.parametrize(
    ("other", "axis", "labels"),
    [
        (run(cells(threads=2)), "threads", ["1 thread", "2 threads"]),
        (run(cells(dtype="bfloat16")), "dtype", ["bfloat16", "float32"]),
        (run(cells(optimizer="sgd")), "optimizer", ["adam", "sgd"]),
        (run(request={"compile": True}), "compile", ["not compiled", "compiled"]),
        (run(request={"channels_last": True}), "channels_last", ["contiguous", "channels-last"]),
        (run(machine=replace(MACHINE, torch="2.9.1")), "torch", ["torch 2.9", "torch 2.14"]),
        (run(cells(batch=8, fingerprint="8")), "batch", ["batch 8", "batch 64"]),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_runs_that_differ_in_one_setting_lie_side_by_side_by_that(
    tmp_path: Path, other: Run, axis: str, labels: list[str]
) -> None:
    assert told(compared(tmp_path, run(), other)) == [(axis, labels, ["policy"])]


def test_runs_that_differ_in_two_settings_do_not(tmp_path: Path) -> None:
    other = run(cells(threads=2, dtype="bfloat16"))
    assert compared(tmp_path, run(), other) == []


def test_a_run_in_the_middle_has_a_side_in_both_comparisons(tmp_path: Path) -> None:
    found = told(
        compared(
            tmp_path,
            run(),
            run(cells(threads=2)),
            run(cells(threads=2, dtype="bfloat16")),
        )
    )
    assert [axis for axis, _, _ in found] == ["dtype", "threads"]


def test_workloads_with_batches_of_their_own_are_in_one_comparison(tmp_path: Path) -> None:
    def both(threads: int) -> Run:
        small = cells(threads=threads)
        return run(small + cells(workload="vit", batch=8, fingerprint="v", threads=threads))

    assert told(compared(tmp_path, both(1), both(2))) == [
        ("threads", ["1 thread", "2 threads"], ["policy", "vit"])
    ]


def test_two_versions_of_a_workload_are_two_comparisons(tmp_path: Path) -> None:
    found = compared(
        tmp_path,
        run(),
        run(cells(threads=2)),
        run(cells(fingerprint="new")),
        run(cells(fingerprint="new", threads=2)),
    )
    assert [axis for axis, _, _ in told(found)] == ["threads", "threads"]


changes = st.fixed_dictionaries(
    {
        "threads": st.sampled_from([1, 2]),
        "dtype": st.sampled_from(["float32", "bfloat16"]),
        "batch": st.sampled_from([8, 64]),
        "fingerprint": st.sampled_from(["a", "b"]),
    }
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(made=st.lists(changes, min_size=1, max_size=6))
def test_whatever_runs_there_are_none_is_refused_and_every_column_has_a_partner(
    tmp_path_factory: Any, made: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    for comparison in compared(folder, *(run(cells(**each)) for each in made)):
        assert all(len(workload.columns) > 1 for workload in comparison.workloads)
