"""What services that follow figures from commit to commit are given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bench.export import export
from bench.records import PHASES

if TYPE_CHECKING:
    from bench.records import Run


def entries(run: Run) -> dict[str, dict[str, Any]]:
    told = json.loads(export(run, "github-action-benchmark"))
    named = {entry["name"]: entry for entry in told}
    assert len(named) == len(told)
    return named


def bencher(run: Run) -> dict[str, Any]:
    return json.loads(export(run, "bencher"))


# --- github-action-benchmark ---------------------------------------------------------------------


def test_an_entry_has_the_fields_of_custom_smaller_is_better_and_no_other(any_run: Run) -> None:
    kinds = {"name": str, "unit": str, "value": (int, float), "range": str, "extra": str}
    for entry in json.loads(export(any_run, "github-action-benchmark")):
        assert {"name", "unit", "value"} <= set(entry) <= set(kinds)
        assert all(isinstance(value, kinds[field]) for field, value in entry.items())


def test_the_action_is_given_no_seconds(any_run: Run) -> None:
    units = {entry["unit"] for entry in json.loads(export(any_run, "github-action-benchmark"))}
    assert units <= {"x full", "bytes", "FLOPs"}


def test_the_ratio_to_full_has_its_half_width_as_range(whole: Run) -> None:
    entry = entries(whole)["policy[no_grad] total"]
    ratio = whole.cells[1].summary.phases["total"].ratio
    assert entry["value"] == ratio.value
    half = max(ratio.high - ratio.value, ratio.value - ratio.low)
    assert entry["range"].startswith("± ")
    assert float(entry["range"].removeprefix("± ")) == pytest.approx(half, rel=0.05)


def test_full_has_no_ratio_to_itself_but_its_bytes(whole: Run) -> None:
    names = [name for name in entries(whole) if name.startswith("policy[full]")]
    assert names == [
        "policy[full] peak bytes",
        "policy[full] saved for backward bytes",
        "policy[full] forward FLOPs",
        "policy[full] backward FLOPs",
    ]


def test_a_severed_cell_has_its_bytes_and_a_failed_one_nothing(whole: Run) -> None:
    names = list(entries(whole))
    assert [name for name in names if "[restore]" in name] == []
    assert all("bytes" in name or "FLOPs" in name for name in names if "[detach]" in name)


# --- Bencher -------------------------------------------------------------------------------------


def test_bencher_s_metrics_are_numbers_between_their_bounds(any_run: Run) -> None:
    for benchmark, measures in bencher(any_run).items():
        assert 0 < len(benchmark) <= 1024
        for slug, metric in measures.items():
            assert slug == slug.lower().replace("_", "-")
            assert len(slug) <= 64
            assert {"value"} <= set(metric) <= {"value", "lower_value", "upper_value"}
            assert not any(isinstance(value, bool) for value in metric.values())
            low, high = metric.get("lower_value"), metric.get("upper_value")
            assert (low is None) == (high is None)
            if low is not None:
                assert low <= metric["value"] <= high


def test_bencher_s_latency_is_in_nanoseconds(whole: Run) -> None:
    seconds = whole.cells[1].summary.phases["backward"].seconds.value
    latency = bencher(whole)["policy[no_grad] backward"]["latency"]
    assert latency["value"] == pytest.approx(1e9 * seconds)


def test_bencher_has_a_benchmark_a_phase_and_one_for_what_is_exact(whole: Run) -> None:
    told = bencher(whole)
    assert [name for name in told if "[no_grad]" in name] == [
        "policy[no_grad]",
        *(f"policy[no_grad] {phase}" for phase in PHASES),
    ]
    assert told["policy[no_grad]"]["peak-bytes"] == {"value": 500}
    assert set(told["policy[full] total"]) == {"latency"}
    assert set(told["policy[no_grad] total"]) == {"latency", "ratio-to-full"}
