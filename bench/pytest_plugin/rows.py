"""The fixture `freeze_benchmark`, on top of pytest-benchmark's `benchmark`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.pytest_plugin.phase_clock import PhaseClock

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from bench.pytest_plugin.freeze_benchmark import FreezeBenchmark
    from bench.pytest_plugin.surveyor import Surveyor

CLOCK = pytest.StashKey[PhaseClock]()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give a test that uses `freeze_benchmark` its timer, beside what its own mark says."""
    if "freeze_benchmark" not in getattr(item, "fixturenames", ()):
        return
    clock = item.stash[CLOCK] = PhaseClock()
    own = item.get_closest_marker("benchmark")
    options = {**(own.kwargs if own else {}), "timer": clock.phase_clock}
    item.add_marker(pytest.mark.benchmark(**options), append=False)


@pytest.fixture(scope="session")
def _freezebench_surveyor(tmp_path_factory: pytest.TempPathFactory) -> Surveyor:
    from bench.pytest_plugin.surveyor import Surveyor  # noqa: PLC0415  not before it is needed

    return Surveyor(tmp_path_factory.mktemp("freezebench"))


@pytest.fixture
def freeze_benchmark(
    request: pytest.FixtureRequest,
    benchmark: BenchmarkFixture,
    _freezebench_surveyor: Surveyor,
) -> FreezeBenchmark:
    """Time one phase of training steps under a freezing strategy, and survey the rest.

    `freeze_benchmark("no_grad", workload="policy", phase="backward")` makes a row of
    pytest-benchmark and returns what was found: verdict, memory, counters.
    """
    from bench.pytest_plugin.freeze_benchmark import FreezeBenchmark  # noqa: PLC0415

    if CLOCK not in request.node.stash:
        pytest.fail(
            "freeze_benchmark has to be among the test's arguments, so that pytest-benchmark gets "
            "its timer; it cannot be asked for by request.getfixturevalue",
            pytrace=False,
        )
    marker = request.node.get_closest_marker("benchmark")
    options = marker.kwargs if marker else {}
    return FreezeBenchmark(
        benchmark,
        request.node.stash[CLOCK],
        _freezebench_surveyor,
        max_time=float(options.get("max_time", request.config.getoption("benchmark_max_time"))),
        min_rounds=int(options.get("min_rounds", request.config.getoption("benchmark_min_rounds"))),
    )
