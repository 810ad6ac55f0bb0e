"""Read by pytest-benchmark itself, not by what is believed of it."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from bench.export import export
from bench.records import PHASES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.records import Cell, Run

pytest.importorskip("pytest_benchmark")
pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session inside a process of pytest-xdist would take itself for one: no benchmarks."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)


def exported(run: Run) -> dict[str, Any]:
    return json.loads(export(run, "pytest-benchmark"))


def benchmarks(run: Run) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in exported(run)["benchmarks"]}


def compare(folder: Path, *arguments: str) -> str:
    """What `py.test-benchmark compare` prints."""
    told = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
    )
    assert "Failed to load" not in told.stderr
    return told.stdout


@pytest.fixture
def file(tmp_path: Path, whole: Run) -> Path:
    path = tmp_path / "run.json"
    path.write_bytes(export(whole, "pytest-benchmark"))
    return path


def test_compare_prints_a_table_a_phase_with_a_row_a_strategy(file: Path) -> None:
    told = compare(file.parent, file.name)
    for phase in PHASES:
        assert f"benchmark 'policy/{phase}': 4 tests" in told
        for strategy in ("full", "no_grad", "mask_grads", "functional"):
            assert told.count(f"policy[{strategy}] {phase} ") == 1
    assert "detach" not in told
    assert "restore" not in told


def test_compare_shows_the_median_of_the_samples_that_count(file: Path, whole: Run) -> None:
    told = compare(
        file.parent, file.name, "--csv=out.csv", "--columns=median,rounds", "--sort=name"
    )
    assert "Rounds" in told
    cell = whole.cells[1]
    counted = [
        seconds
        for seconds, position in zip(cell.samples.backward, cell.origin.position, strict=True)
        if position > 0
    ]
    line = next(
        line
        for line in (file.parent / "out.csv").read_text().splitlines()
        if line.startswith("policy[no_grad] backward")
    )
    *_, median, rounds = line.split(",")
    assert float(median) == pytest.approx(statistics.median(counted), rel=1e-12)
    assert int(rounds) == len(counted)


def test_compare_reads_a_run_in_any_state(any_run: Run, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(export(any_run, "pytest-benchmark"))
    assert "Legend" in compare(tmp_path, "run.json")


@pytest.mark.parametrize("by", ["func", "param", "param:strategy", "param:phase", "fullname"])
def test_compare_can_group_as_it_does_for_parametrised_tests(file: Path, by: str) -> None:
    told = compare(file.parent, file.name, f"--group-by={by}")
    assert "policy[no_grad] backward" in told


def test_two_runs_are_joined_by_the_names_of_their_rows(
    file: Path, make_run: Callable[..., Run], make_cell: Callable[..., Cell]
) -> None:
    slower = make_run(make_cell("full", "reference"), make_cell("no_grad", scale=1.0))
    (file.parent / "slower.json").write_bytes(export(slower, "pytest-benchmark"))
    told = compare(file.parent, file.name, "slower.json", "--between=median")
    row = next(line for line in told.splitlines() if line.startswith("policy[no_grad] total"))
    assert re.search(r"\+100\.0%", row)


def test_a_test_is_compared_with_the_row_that_it_names(
    pytester: pytest.Pytester, file: Path
) -> None:
    pytester.makepyfile(
        """
        def test_backward(benchmark):
            benchmark.fullname = "policy[no_grad] backward"
            benchmark(lambda: None)
        """
    )
    # In a process of its own: the plugin keeps state.
    told = pytester.run(
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        f"--benchmark-compare={file}",
        "--benchmark-max-time=0.01",
        "--benchmark-min-rounds=2",
    )
    told.assert_outcomes(passed=1)
    told.stdout.fnmatch_lines(["*benchmark: 2 tests*", "*test_backward (NOW)*"])


def test_a_file_that_names_no_test_of_the_session_does_no_harm(
    pytester: pytest.Pytester, file: Path
) -> None:
    pytester.makepyfile("def test_other(benchmark):\n    benchmark(lambda: None)\n")
    told = pytester.run(
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        f"--benchmark-compare={file}",
        "--benchmark-max-time=0.01",
    )
    told.assert_outcomes(passed=1)
    told.stderr.no_fnmatch_line("*Failed to load*")


def test_a_row_has_every_statistic_and_its_data(whole: Run) -> None:
    from pytest_benchmark.stats import Stats  # noqa: PLC0415

    for row in benchmarks(whole).values():
        assert set(Stats.fields) | {"data", "iterations"} == set(row["stats"])
        assert len(row["stats"]["data"]) == row["stats"]["rounds"] == 18


def test_extra_info_holds_the_ratio_with_its_interval_and_what_is_exact(whole: Run) -> None:
    extra = benchmarks(whole)["policy[no_grad] backward"]["extra_info"]
    ratio = extra["ratio_to_full"]
    assert ratio["low"] < ratio["value"] < ratio["high"]
    assert ratio["value"] == pytest.approx(0.5, rel=0.1)
    assert extra["memory"]["peak_bytes"] == 500
    assert extra["counters"]["backward_flops"] == 400
    assert (extra["verdict"], extra["midway_verdict"]) == ("ok", "ok")
    assert benchmarks(whole)["policy[full] total"]["extra_info"]["ratio_to_full"] is None


def test_a_run_that_was_cut_short_has_ratios_all_the_same(
    make_run: Callable[..., Run], make_cell: Callable[..., Cell]
) -> None:
    cells = (make_cell("full", "reference"), make_cell("no_grad", scale=0.5))
    finished, cut = make_run(*cells), make_run(*cells, summed=False)
    assert cut.cells[1].summary is None
    assert benchmarks(cut) == benchmarks(finished)


def test_machine_and_commit_have_the_fields_of_pytest_benchmark_s_own(whole: Run) -> None:
    from pytest_benchmark.plugin import (  # noqa: PLC0415
        pytest_benchmark_generate_machine_info,
    )
    from pytest_benchmark.utils import get_commit_info  # noqa: PLC0415

    told = exported(whole)
    assert set(pytest_benchmark_generate_machine_info()) <= set(told["machine_info"])
    assert set(get_commit_info("any")) - {"error"} <= set(told["commit_info"])
    assert told["machine_info"]["node"] == whole.machine.name
    assert (told["machine_info"]["system"], told["machine_info"]["machine"]) == ("Linux", "x86_64")
    assert told["commit_info"]["id"] == whole.project.commit
