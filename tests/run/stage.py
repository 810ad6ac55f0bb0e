from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from bench.cells import CellPlan, Plan
from bench.measure.clock import StepTimes
from bench.records import (
    SCHEMA,
    Counters,
    Drift,
    Energy,
    Interval,
    Machine,
    Memory,
    Midway,
    Project,
    Request,
    Run,
)
from bench.run.messages import Findings, Prediction, TurnReading, WarmUpReading
from bench.run.process import CellError, WorkerLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MACHINE = Machine(
    name="a machine",
    cpu="a processor",
    cores=2,
    memory_bytes=2**34,
    os="an os",
    python="3.11",
    torch="2.9",
    torchvision="0.24",
    blas="a blas",
)


def make_request(**changes: Any) -> Request:
    asked: dict[str, Any] = {
        "workloads": (),
        "strategies": (),
        "device": "cpu",
        "dtype": "float32",
        "batch": None,
        "threads": 1,
        "optimizer": "adam",
        "seed": 0,
        "steps": 2,
        "precision": 0.05,
        "budget": 10.0,
        "cell_timeout": 60.0,
        "freeze": (),
        "weights": None,
        "compile": False,
        "channels_last": False,
    }
    return Request(**{**asked, **changes})


def make_cell(strategy: str, workload: str = "w") -> CellPlan:
    return CellPlan(
        workload=workload,
        workload_spec=workload,
        strategy=strategy,
        strategy_spec=strategy,
        topology="front",
        device="cpu",
        dtype="float32",
        batch=4,
        batch_option=None,
        threads=1,
        optimizer="adam",
        seed=0,
        steps=2,
        freeze=(),
        weights=None,
        compile=False,
        channels_last=False,
    )


def make_plan(*strategies: str, workloads: tuple[str, ...] = ("w",)) -> Plan:
    cells = tuple(make_cell(name, workload) for workload in workloads for name in strategies)
    return Plan(machine=MACHINE, memory_bytes=2**34, cells=cells)


def make_run(**changes: Any) -> Run:
    return Run(
        schema=SCHEMA,
        id="a-run",
        started="2026-01-01T00:00:00+00:00",
        state="running",
        stopped_by=None,
        surveyed_seconds=0.0,
        timed_seconds=0.0,
        request=make_request(**changes),
        machine=MACHINE,
        project=Project(version="0", commit=None, dirty=None),
        cells=[],
    )


def times(*totals: float) -> StepTimes:
    return StepTimes(
        forward=[total / 4 for total in totals],
        backward=[total / 2 for total in totals],
        update=[total / 4 for total in totals],
        total=list(totals),
    )


@dataclass
class Stage:
    """Workers that do nothing but say what they were asked, on a clock that only they move.

    `seconds` is what a step of a strategy takes, `throttled` how many of its turns find the device
    throttled. `on` maps a request, such as `turn lr_zero`, to
    what happens instead of an answer: an exception, once the request has been heard.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    on: dict[str, BaseException] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    now: float = 0.0
    alive: int = 0
    cut: frozenset[str] = frozenset()
    throttled: dict[str, int] = field(default_factory=dict)

    def start_worker(self) -> ScriptedWorker:
        self.heard.append("start")
        self.alive += 1
        return ScriptedWorker(self)

    def clock(self) -> float:
        return self.now

    def story(self, *words: str) -> list[str]:
        """What was heard that begins with one of these words."""
        return [line for line in self.heard if line.split()[0] in words]


class ScriptedWorker:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._cells: dict[int, str] = {}
        self._ended = False

    def ask(self, name: str, *arguments: Any, timeout: float | None = None) -> Any:
        stage = self._stage
        cell = next((a.strategy for a in arguments if isinstance(a, CellPlan)), None)
        if name == "ready":
            self._cells[arguments[0]] = arguments[1].strategy
        cell = cell or self._cells.get(arguments[0] if arguments else -1, "")
        if name == "measure_drift":
            name = "midway" if arguments[2] else "fresh"
        line = f"{name} {cell}"
        stage.heard.append(line)
        workload = next((a.workload for a in arguments if isinstance(a, CellPlan)), "")
        for what in (line, f"{line} of {workload}"):
            if isinstance(stage.on.get(what), KeyboardInterrupt):
                raise stage.on.pop(what)
            if what in stage.on:
                raise stage.on[what]
        return self._answer(name, cell, arguments)

    def _answer(self, name: str, cell: str, arguments: tuple[Any, ...]) -> Any:
        stage = self._stage
        step = stage.seconds.get(cell, 1.0)
        if name in ("warm_up", "turn"):
            steps = 1 if name == "warm_up" else arguments[1]
            stage.now += steps * step
            taken = times(*[step] * steps)
            if name == "warm_up":
                return WarmUpReading(taken, [True])
            left = stage.throttled.get(cell, 0)
            stage.throttled[cell] = max(0, left - 1)
            return TurnReading(taken, None, steps * step, steps * step, 0, throttled=left > 0)
        if cell in stage.cut and name in ("fresh", "midway"):
            return Midway(verdict="severed", why="cut", drift=None)
        verdict = "reference" if cell == "full" else "ok"
        answers = {
            "measure_energy": Energy(Interval(1.5, 1.0, 2.0), "gpu counter", steps=10, seconds=1.0),
            "predict": Prediction(peak_bytes=100, resident_bytes=10, counters=Counters()),
            "fresh": Midway(verdict=verdict, why="", drift=Drift(steps=2)),
            "midway": Midway(verdict=verdict, why="", drift=Drift(steps=2)),
            "measure_memory": Findings(
                Memory(peak_bytes=100), Counters(forward_flops=1, backward_flops=2)
            ),
        }
        return answers.get(name)

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._stage.alive -= 1


@pytest.fixture
def stage() -> Stage:
    return Stage(seconds={"full": 0.01, "requires_grad": 0.005, "lr_zero": 0.01})


@pytest.fixture
def dies() -> WorkerLostError:
    return WorkerLostError("the worker was killed by SIGKILL")


@pytest.fixture
def raises() -> CellError:
    return CellError("RuntimeError: no")


@pytest.fixture
def at_most_a_minute() -> Iterator[None]:
    """Fail instead of waiting for ever on a worker that does not answer."""

    def give_up(*_: object) -> None:
        raise TimeoutError("the test took more than a minute")

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
