"""The worker: a process that holds ready cells and moves only when it is given a turn.

It answers one request at a time over its pipe and ends when the pipe does. Everything that may
raise for a cell's sake is answered as a failure of that cell; a request that cannot be run at all
is refused with the sentence that says why.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import torch

import strategies
from bench import workloads
from bench.measure.clock import StepTimes, TurnTimes
from bench.measure.device import DeviceError, choose
from bench.measure.energy import EnergyError
from bench.measure.slowdown import CannotSlowDownError, slowed
from bench.measure.telemetry import of_device
from bench.measure.telemetry.throttling import is_throttled
from bench.run import counting, energy, survey
from bench.run.heap import keep_freed_memory
from bench.run.messages import Done, Failed, Refused, TurnReading, WarmUpReading
from bench.run.plan import RequestError, describe, plan
from bench.run.warmth import warm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from bench.cells import CellPlan
    from bench.measure.clock import Clock
    from bench.measure.telemetry.meter import Meter
    from bench.measure.training import Training


class Worker:
    """What a worker can be asked for; each public method is one request."""

    def __init__(self) -> None:
        self._ready: dict[int, tuple[Training, Clock]] = {}
        self._slowed: dict[int, Clock] = {}
        self._waits: dict[int, bool] = {}
        self._meters: dict[str, Meter] = {}

    plan = staticmethod(plan)
    predict = staticmethod(survey.predict)
    measure_memory = staticmethod(survey.measure_memory)
    measure_reference = staticmethod(survey.measure_reference)
    measure_drift = staticmethod(survey.measure_drift)
    measure_energy = staticmethod(energy.measure_energy)
    known = staticmethod(counting.known)
    count = staticmethod(counting.count)
    check_counting = staticmethod(counting.check_counting)

    def ready(self, index: int, cell: CellPlan) -> None:
        """Build a cell and hold it."""
        device = choose(cell.device)
        self._ready[index] = survey.start(cell), device.clock()
        if cell.device not in self._meters:
            self._meters[cell.device] = of_device.meter(device)

    def warm_up(self, index: int) -> WarmUpReading:
        """Train a ready cell until two windows of steps agree, or long enough."""
        training, clock = self._ready[index]
        times = TurnTimes(StepTimes())
        process = psutil.Process()
        switches = _switches(process)
        with self._let_go_on_failure(index):
            while not warm(times.device.total, training):
                training.step(clock.mark)
                times.device.extend(clock.read().device)
        _, waits = _since(switches, _switches(process))
        self._waits[index] = waits is not None and waits >= len(times.device.total) / 2
        first = [step < len(training.batches) for step in range(len(times.device.total))]
        gc.collect()
        gc.freeze()  # what is there by now stays; collections between turns need not look at it
        return WarmUpReading(times.device, first)

    def turn(self, index: int, steps: int) -> TurnReading:
        """Let a ready cell take a few consecutive steps."""
        with self._let_go_on_failure(index):
            return self._take_turn(index, steps, self._ready[index][1])

    def slow_down(self, index: int, fractions: dict[str, float], times: StepTimes) -> None:
        """Prepare slowed turns of a warm cell; `times` are steps of it as it is."""
        training, clock = self._ready[index]
        device = choose(training.recipe.device)
        by_processor_time = torch.get_num_threads() == 1 and not self._waits[index]
        self._slowed[index] = slowed(
            clock, device, fractions, times, by_processor_time=by_processor_time
        )

    def slowed_turn(self, index: int, steps: int) -> TurnReading:
        """A turn with the slow-down that was prepared."""
        with self._let_go_on_failure(index):
            return self._take_turn(index, steps, self._slowed[index])

    def pin(self, processors: list[int]) -> None:
        """Stay on these processors from now on, where the system knows how to."""
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, processors)

    def modules_below(self, folder: str) -> list[str]:
        """Files below a folder that modules of this process came from, installed ones left out."""
        script = sys.modules["__main__"]  # of whoever forked this process; it has two names
        modules = [module for module in list(sys.modules.values()) if module is not script]
        files = [getattr(module, "__file__", None) for module in modules]
        below = {str(Path(file).resolve()) for file in files if file}
        return sorted(
            file
            for file in below
            if file.startswith(f"{folder}{os.sep}")
            and not {"site-packages", "dist-packages"} & set(Path(file).parts)
        )

    def _take_turn(self, index: int, steps: int, clock: Clock) -> TurnReading:
        training, _ = self._ready[index]
        return take_turn(training, clock, steps, self._meters[training.recipe.device])

    @contextlib.contextmanager
    def _let_go_on_failure(self, index: int) -> Iterator[None]:
        """A cell that raises gives its memory back to the others."""
        try:
            yield
        except BaseException:
            del self._ready[index]
            raise


def take_turn(
    training: Training, clock: Clock, steps: int, meter: Meter | None = None
) -> TurnReading:
    """A few steps with the garbage collector off, and what the machine did meanwhile."""
    process = psutil.Process()
    if meter is not None:
        meter.before()
    gc.disable()
    switches, cpu, wall = _switches(process), time.process_time(), time.perf_counter()
    try:
        for _ in range(steps):
            training.step(clock.mark)
        times = clock.read()
    finally:
        gc.enable()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    involuntary, voluntary = _since(switches, _switches(process))
    telemetry = meter.after() if meter is not None else {}
    reading = TurnReading(
        times.device,
        times.host,
        wall_seconds=wall,
        cpu_seconds=cpu,
        involuntary_switches=involuntary,
        cpu_times=times.cpu,
        voluntary_switches=voluntary,
        threads=torch.get_num_threads(),
        resident_bytes=int(process.memory_info().rss),
        throttled=is_throttled(telemetry),
        telemetry=telemetry,
    )
    gc.collect()
    return reading


def serve(connection: Connection) -> None:
    """Answer requests `(name, arguments)` until the pipe ends."""
    _end_with_parent()
    settle()
    worker = Worker()
    while True:
        try:
            name, arguments = connection.recv()
        except (EOFError, OSError):
            return
        try:
            connection.send(answer(worker, name, *arguments))
        except (BrokenPipeError, OSError):
            return


def settle() -> None:
    """What a fresh worker does first: leave signals to the conductor, and keep its memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the conductor decides about Ctrl-C
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    keep_freed_memory()
    gc.freeze()  # torch itself stays; a collection need not look at all of it each time


def answer(worker: Worker, name: str, *arguments: Any) -> Done | Refused | Failed:
    """What a worker answers to a request; whatever it raises is an answer too."""
    try:
        return Done(getattr(worker, name)(*arguments))
    except (
        RequestError,
        DeviceError,
        workloads.WorkloadError,
        strategies.StrategyError,
    ) as error:
        return Refused(str(error))
    except (survey.StillReferenceError, CannotSlowDownError, EnergyError) as error:
        return Failed(str(error))
    except torch.OutOfMemoryError as error:
        return Failed(f"out of memory: {describe(error)}")
    except Exception as error:  # whatever a model or strategy does is the cell's failure
        return Failed(describe(error))


def _end_with_parent() -> None:
    # A worker in an endless loop cannot notice that its pipe has ended.
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415

        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


Switches = tuple[int | None, int | None]


def _switches(process: psutil.Process) -> Switches:
    """Context switches so far, involuntary and voluntary."""
    try:
        found = process.num_ctx_switches()
    except (NotImplementedError, psutil.Error):
        return None, None
    return int(found.involuntary), int(found.voluntary)


def _since(before: Switches, after: Switches) -> Switches:
    involuntary, voluntary = (
        None if then is None or now is None else now - then
        for then, now in zip(before, after, strict=True)
    )
    return involuntary, voluntary
