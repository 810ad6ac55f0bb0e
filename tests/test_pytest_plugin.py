"""Sessions within this one: each test writes a test file of a user's and runs pytest on it."""

from __future__ import annotations

import json
import multiprocessing.forkserver
import subprocess
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest

# Kept from session to session, each of which would import them, and torch, anew.
import bench.pytest_plugin.freeze_benchmark
import bench.pytest_plugin.surveyor

KEPT = multiprocessing.forkserver, bench.pytest_plugin.surveyor

if TYPE_CHECKING:
    from pathlib import Path

    from _pytest.pytester import Pytester, RunResult

pytest_plugins = ["pytester"]

# Its passes take time on a clock that only they move: 1 s forward, 30 s backward, and as many
# seconds for the update as it has taken steps. It is run in the worker, whose clock it replaces.
TIMED_BY_ITSELF = """
from bench.measure.clock import HostClock
from bench.measure.device import Device
from strategies import Strategy

now = 0

def pass_seconds(seconds):
    global now
    now += int(seconds * 1e9)

Device.clock = lambda device: HostClock(now=lambda: now)

class Slow(Strategy):
    name = "slow"
    steps = 0

    def forward(self, step):
        pass_seconds(1)
        return super().forward(step)

    def backward(self, step, loss):
        pass_seconds(30)
        super().backward(step, loss)

    def after_update(self, step):
        self.steps += 1
        pass_seconds(self.steps)
"""


@pytest.fixture(autouse=True)
def _no_rows_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER"):  # in which no benchmark runs
        monkeypatch.delenv(name, raising=False)


def run(pytester: Pytester, body: str, *options: str) -> RunResult:
    pytester.makepyfile("import pytest\n\n" + body)
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)


def rows(path: Path) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(path.read_text())["benchmarks"]}


ONE_ROW = """
def test_policy(freeze_benchmark):
    freeze_benchmark("no_grad", rounds=2, drift=False)
"""


def test_a_row_has_its_group_and_carries_verdict_memory_and_counters(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.mark.parametrize("strategy", ["full", "mask_grads"])
def test_policy(freeze_benchmark, strategy):
    found = freeze_benchmark(strategy, workload="policy", phase="backward", rounds=3)
    assert found.verdict == ("reference" if strategy == "full" else "ok"), found.why
""",
        "--benchmark-json=rows.json",
    )

    result.assert_outcomes(passed=2)
    found = rows(pytester.path / "rows.json")
    assert found.keys() == {"test_policy[full]", "test_policy[mask_grads]"}
    for row in found.values():
        assert row["group"] == "policy backward"
        assert row["options"]["timer"] == "phase_clock"
        assert (row["stats"]["rounds"], row["stats"]["iterations"]) == (3, 1)
        assert row["stats"]["min"] > 0
        assert row["extra_info"]["memory"]["peak_bytes"] > 0
        assert row["extra_info"]["counters"]["backward_flops"] > 0
        assert row["extra_info"]["topology"] == "front"
        assert row["extra_info"]["batch"] > 0
        assert row["extra_info"]["phase"] == "backward"
    masking = found["test_policy[mask_grads]"]["extra_info"]
    assert masking["verdict"] == "ok"
    assert masking["midway"]["verdict"] == "leaks"
    assert "frozen, but moved" in masking["midway"]["why"]


def test_only_the_phase_that_was_asked_for_is_in_the_row(pytester: Pytester) -> None:
    pytester.makepyfile(slow=TIMED_BY_ITSELF)
    result = run(
        pytester,
        """
@pytest.mark.parametrize("phase", ["forward", "backward", "update", "total"])
def test_slow(freeze_benchmark, phase):
    freeze_benchmark("slow.py:Slow", phase=phase, rounds=3, drift=False)
""",
        "--benchmark-json=rows.json",
    )

    result.assert_outcomes(passed=4)
    seconds = {
        name: row["stats"]["data"] for name, row in rows(pytester.path / "rows.json").items()
    }
    assert seconds["test_slow[forward]"] == pytest.approx([1, 1, 1])
    assert seconds["test_slow[backward]"] == pytest.approx([30, 30, 30])
    # Each round is the second step of its turn: two steps later, so two seconds longer.
    first, *later = update = seconds["test_slow[update]"]
    assert later == pytest.approx([first + 2, first + 4])
    assert seconds["test_slow[total]"] == pytest.approx([31 + each for each in update])


def test_rows_can_be_compared_with_saved_ones(pytester: Pytester) -> None:
    options = ("--benchmark-storage=saved", "--benchmark-columns=min")
    run(pytester, ONE_ROW, *options, "--benchmark-save=before").assert_outcomes(passed=1)

    result = run(pytester, ONE_ROW, *options, "--benchmark-compare=0001")

    result.assert_outcomes(passed=1)
    assert "benchmark 'policy total': 2 tests" in result.stdout.str()
    assert "test_policy (0001_before)" in result.stdout.str()
    assert "test_policy (NOW)" in result.stdout.str()


def test_without_a_number_of_rounds_the_options_of_pytest_benchmark_decide(
    pytester: Pytester,
) -> None:
    pytester.makepyfile(slow=TIMED_BY_ITSELF)
    result = run(
        pytester,
        """
def test_by_option(freeze_benchmark):
    freeze_benchmark("slow.py:Slow", drift=False)

@pytest.mark.benchmark(group="mine", min_rounds=9)
def test_by_mark(freeze_benchmark):
    freeze_benchmark("slow.py:Slow", drift=False)

@pytest.mark.benchmark(max_time=2 * 34 * 12)  # twelve rounds of two steps
def test_by_time(freeze_benchmark):
    freeze_benchmark("slow.py:Slow", drift=False)
""",
        "--benchmark-min-rounds=4",
        "--benchmark-json=rows.json",
    )

    result.assert_outcomes(passed=3)
    found = rows(pytester.path / "rows.json")
    assert found["test_by_option"]["stats"]["rounds"] == 4
    assert found["test_by_mark"]["stats"]["rounds"] == 9
    assert found["test_by_mark"]["group"] == "mine"
    assert found["test_by_time"]["stats"]["rounds"] > 9


def test_with_benchmarks_disabled_a_cell_is_surveyed_and_not_timed(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
def test_policy(freeze_benchmark):
    found = freeze_benchmark("no_grad+eval")
    assert found.verdict == "ok"
    assert found.memory.peak_bytes == found.memory.predicted_peak_bytes
""",
        "--benchmark-disable",
    )

    result.assert_outcomes(passed=1)
    assert "benchmark 'policy" not in result.stdout.str()


REFUSALS = {
    "'no_gard'": "there is no strategy 'no_gard'; did you mean 'no_grad'*",
    "'full', workload='polcy'": "polcy: there is no such workload; did you mean 'policy'*",
    "'full', phase='bakward'": "there is no phase 'bakward'; did you mean 'backward'*",
    "'full', dtype='float23'": "there is no dtype 'float23'; did you mean 'float32'*",
    "'full', optimizer='adan'": "there is no optimizer 'adan'; did you mean 'adam'*",
    "'full', device='cudda'": "there is no device called 'cudda'; did you mean 'cuda'*",
    "'full', rounds=0": "rounds must be at least 1, not 0",
    "'full', threads=0": "threads must be at least 1, not 0",
    "'full', seed=-1": "seed must be from 0 to 4294967295, not -1",
    "'detach', workload='adapter'": "adapter × detach cannot be measured: nothing trainable *",
}


def test_what_cannot_be_measured_fails_its_test_with_one_sentence(pytester: Pytester) -> None:
    tests = "".join(
        f"def test_{number}(freeze_benchmark):\n    freeze_benchmark({call}, drift=False)\n\n"
        for number, call in enumerate(REFUSALS)
    )

    result = run(pytester, tests)

    result.assert_outcomes(failed=len(REFUSALS), warnings=len(REFUSALS))
    result.stdout.fnmatch_lines([f"freeze_benchmark: {sentence}" for sentence in REFUSALS.values()])
    assert "Traceback" not in result.stdout.str()
    assert "During handling" not in result.stdout.str()


def test_a_strategy_that_raises_fails_its_test_and_no_other(pytester: Pytester) -> None:
    pytester.makepyfile(
        broken="""
from strategies import Strategy

class Broken(Strategy):
    name = "broken"

    def before_update(self, step):
        raise RuntimeError("no update today")
"""
    )
    result = run(
        pytester,
        """
def test_broken(freeze_benchmark):
    freeze_benchmark("broken.py:Broken", drift=False)
"""
        + ONE_ROW,
        "--benchmark-disable",
    )

    result.assert_outcomes(failed=1, passed=1, warnings=1)
    result.stdout.fnmatch_lines(
        ["*policy × broken cannot be measured: RuntimeError: no update today"]
    )


def test_rows_are_benchmarks_for_skip_and_only(pytester: Pytester) -> None:
    body = ONE_ROW + "\ndef test_another():\n    pass\n"

    run(pytester, body, "--benchmark-skip").assert_outcomes(passed=1, skipped=1)
    run(pytester, body, "--benchmark-only").assert_outcomes(passed=1, skipped=1)


def test_without_pytest_benchmark_only_the_tests_that_use_it_fail(pytester: Pytester) -> None:
    result = run(
        pytester, ONE_ROW + "\ndef test_another():\n    pass\n", "-p", "no:benchmark", "-W", "error"
    )

    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["*built on pytest-benchmark, which is not loaded; install*"])
    assert "Traceback" not in result.stdout.str()


def test_the_fixture_says_that_it_must_be_an_argument(pytester: Pytester) -> None:
    result = run(
        pytester,
        "def test_late(request):\n    request.getfixturevalue('freeze_benchmark')('full')\n",
    )

    result.assert_outcomes(failed=1, warnings=1)
    result.stdout.fnmatch_lines(["*has to be among the test's arguments*"])


def test_the_test_process_never_imports_torch(pytester: Pytester) -> None:
    pytester.makepyfile(
        "import sys\n" + ONE_ROW + "\ndef test_torch():\n    assert 'torch' not in sys.modules\n"
    )

    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--benchmark-disable")

    result.assert_outcomes(passed=2)


def test_loading_the_plugin_imports_pytest_and_nothing_else_that_is_heavy() -> None:
    code = (
        "import sys, pytest; import bench.pytest_plugin, bench.pytest_plugin.rows; "
        "heavy = {'torch', 'numpy', 'pandas', 'msgspec', 'multiprocessing'} & set(sys.modules); "
        "assert not heavy, heavy"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


def test_pytest_finds_the_plugin_by_its_entry_point() -> None:
    (found,) = entry_points(group="pytest11", name="freezebench")

    assert found.value == "bench.pytest_plugin"
