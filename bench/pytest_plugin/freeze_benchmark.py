"""One cell, surveyed and timed into a row of pytest-benchmark."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

import msgspec
import pytest

from bench.pytest_plugin.asked import MistakeError, asked, at_least_one
from bench.run.process import CellError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from pytest_benchmark.fixture import BenchmarkFixture

    from bench.pytest_plugin.phase_clock import PhaseClock
    from bench.pytest_plugin.surveyor import Found, Surveyor
    from bench.records import Request

STEPS_A_ROUND = 2
"""The first step of a turn is some percent colder, and is let go; the second is the sample."""


class FreezeBenchmark:
    """What a test calls; once, as with pytest-benchmark's own fixture.

    Args:
        benchmark: pytest-benchmark's fixture, whose timer is `clock`.
        clock: is advanced by what was measured.
        surveyor: of the session.
        max_time: seconds that the rounds may take, as `--benchmark-max-time`.
        min_rounds: rounds at least, as `--benchmark-min-rounds`.
    """

    def __init__(
        self,
        benchmark: BenchmarkFixture,
        clock: PhaseClock,
        surveyor: Surveyor,
        *,
        max_time: float,
        min_rounds: int,
    ) -> None:
        self._benchmark = benchmark
        self._clock = clock
        self._surveyor = surveyor
        self._max_time = max_time
        self._min_rounds = min_rounds

    def __call__(
        self,
        strategy: str,
        workload: str = "policy",
        phase: str = "total",
        *,
        device: str = "cpu",
        batch: int | None = None,
        threads: int = 1,
        dtype: str = "float32",
        optimizer: str = "adam",
        freeze: str | Sequence[str] = (),
        seed: int = 0,
        rounds: int | None = None,
        drift: bool = True,
    ) -> Found:
        """Survey a cell, and time one phase of its steps.

        With `--benchmark-disable` it is surveyed all the same, since that has no noise, and its
        step runs untimed. A mistake, or a cell that cannot run, fails the test with a sentence.

        Args:
            strategy: a name of `freezebench list strategies`, with `+eval` to hold the frozen part
                in eval mode, or `path/to/file.py:Class`.
            workload: a name of `freezebench list workloads`, `torchvision:NAME`,
                `path/to/file.py:factory` or `package.module:factory`.
            phase: `forward`, `backward`, `update` or `total`.
            device: `cpu`, `cuda`, `cuda:N`, another accelerator of torch, or `auto`.
            batch: samples a step; the workload's own if `None`.
            threads: threads of torch.
            dtype: below `float32` by autocast; `float16` with a loss scale.
            optimizer: as on the command line.
            freeze: patterns that replace the workload's own choice of what is frozen.
            seed: of weights, data and order.
            rounds: samples; if `None` as many as fit into `--benchmark-max-time`, and
                `--benchmark-min-rounds` at least.
            drift: also find the verdicts, which takes some trainings of five steps.

        Returns:
            What was found; the same is in the row's `extra_info`.
        """
        try:
            at_least_one("rounds", rounds)
            request = asked(
                strategy,
                workload,
                phase,
                device=device,
                batch=batch,
                threads=threads,
                dtype=dtype,
                optimizer=optimizer,
                freeze=freeze,
                seed=seed,
            )
            return self._measure(request, phase, rounds, drift=drift)
        except (MistakeError, CellError) as error:
            sentence = str(error)
        pytest.fail(f"freeze_benchmark: {sentence}", pytrace=False)

    def _measure(self, request: Request, phase: str, rounds: int | None, *, drift: bool) -> Found:
        cell = self._surveyor.plan(request)
        try:
            found = self._surveyor.survey(request, drift=drift)
            if found.memory.peak_bytes is None:  # and the notes say why there was no step
                raise CellError(found.why or "; ".join(found.memory.notes))
            self._benchmark.extra_info.update(msgspec.to_builtins(found), phase=phase)
            self._benchmark.group = self._benchmark.group or f"{cell.workload} {phase}"
            with self._surveyor.worker(request) as ask:
                ask("ready", 0, cell)
                self._time(ask, phase, rounds)
        except CellError as error:
            what = f"{cell.workload} × {cell.strategy}"
            raise CellError(f"{what} cannot be measured: {error}") from error
        return found

    def _time(self, ask: Callable[..., Any], phase: str, rounds: int | None) -> None:
        def take_a_step() -> None:
            reading = ask("turn", 0, STEPS_A_ROUND)
            self._clock.advance(getattr(reading.times, phase)[-1])

        if self._benchmark.enabled:
            totals = ask("warm_up", 0).times.total
            rounds = rounds or self._enough_rounds(median(totals))
        self._benchmark.pedantic(take_a_step, rounds=rounds or 1, iterations=1)  # type: ignore[no-untyped-call]

    def _enough_rounds(self, step_seconds: float) -> int:
        fit = math.ceil(self._max_time / (STEPS_A_ROUND * step_seconds))
        return max(self._min_rounds, fit)
