"""For pytest: what freezing costs, as a row of pytest-benchmark, and a guard over what is frozen.

The fixture `freeze_benchmark` puts one phase of a training step into pytest-benchmark's table, so
that its storage, histograms and `--benchmark-compare` work on it as on any other row; what is not
time (verdict, memory, counters) goes along in `extra_info`.

How a phase alone gets into the table: pytest-benchmark reads a timer before and after what it
calls. Here it calls a whole, fresh training step, and the timer is a clock that runs in the
measured phase alone: it is advanced by what freezebench's own clock read of that phase (on an
accelerator, from the device's events). So the forward pass before a timed backward pass is outside
of the row, no backward pass runs on a retained graph, and a strategy that wraps both passes in its
`differentiate` is timed as it is. A timer of one's own is pytest-benchmark's public option
(`@pytest.mark.benchmark(timer=...)`), which the plugin sets on the tests that use the fixture. The
other ways were worse: to stop a step in the middle takes a second thread, whose hand-over would be
in the measured time and which has a thread pool of its own.

The step runs in a worker, as in a run: a process of its own, warmed up by the same rule, with the
same heap, whose first step of a turn is let go. So the test's process never imports torch, and its
threads, random numbers and memory stay as they are. `--benchmark-cprofile` therefore sees the
waiting for the worker and nothing of the step.

The fixture `frozen_guard` has nothing of this: it watches a training that the test itself runs, in
its own process, and fails the test when something frozen moves.

Nothing but pytest is imported here: pytest loads this module in every session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Provide `frozen_guard`, and `freeze_benchmark` where pytest-benchmark is loaded."""
    config.pluginmanager.import_plugin("bench.pytest_plugin.frozen_guard")
    loaded = config.getoption("benchmark_max_time", default=None) is not None
    config.pluginmanager.import_plugin(f"bench.pytest_plugin.{'rows' if loaded else 'absent'}")
