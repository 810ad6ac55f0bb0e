"""An NVIDIA GPU beside a turn: clocks, heat, power, memory, and who else is on it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from bench.measure.telemetry.gpu_processes import occupants, same_run
from bench.measure.telemetry.meter import since
from bench.measure.telemetry.nvml import GpuGoneError, NotToldError
from bench.measure.telemetry.throttling import names

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.measure.telemetry.meter import Reading
    from bench.measure.telemetry.nvml import Gpu, Nvml

    Query = Callable[[], Reading]


SHARE = 0.01
"""Of the time, that each query may take: on an H100, reading surrounded a turn of 8 ms with 20."""


class GpuMeter:
    """Reads a GPU by its driver, each query on its own.

    A query that the driver does not support or permit is not made again, and its columns are
    absent from then on. When the GPU or the driver is lost, all columns are, and the run goes on.
    Under MIG, memory and processes are those of the instance, clocks and heat those of the board,
    and power and energy, which belong to all instances, are absent.

    What took t is not asked again before t / `SHARE` have passed, and has no figure of the turns
    until then. What throttles the GPU is asked each time, since a turn is taken again for it.

    Args:
        nvml: the session.
        gpu: as `Nvml.find` found it.
        own: this process.
        belongs: whether a process is of this run.
        now: seconds.
    """

    def __init__(
        self,
        nvml: Nvml,
        gpu: Gpu,
        own: int | None = None,
        belongs: Callable[[int], bool] | None = None,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._nvml, self._gpu = nvml, gpu
        self._own = os.getpid() if own is None else own
        self._belongs = belongs or same_run(self._own)
        self._now = now
        self._joules_before: float | None = None
        self._counts = False  # energy, in the turn that is under way
        self._counts_again = 0.0
        self._due: dict[Query, float] = {}
        self._lost = False
        # What passes soonest is read first.
        queries: list[Query] = [self._throttled_by, self._sm_clock, self._memory_clock]
        if not gpu.instance:
            queries += [self._watts, self._energy]
        queries.append(self._celsius)
        if gpu.part is not None:
            queries += [self._memory, self._processes]
        self._queries = queries

    def before(self) -> None:
        """See `Meter.before`."""
        begin = self._now()
        self._counts = self._energy in self._queries and begin >= self._counts_again
        if self._counts:
            self._joules_before = self._attempt(self._joules)
            end = self._now()
            self._counts_again = end + 2 * (end - begin) / SHARE  # it is asked twice a turn

    def after(self) -> Reading:
        """See `Meter.after`."""
        reading: Reading = {}
        for query in tuple(self._queries):
            if self._lost:
                break
            if query != self._energy:
                reading |= self._paced(query)
            elif self._counts:
                reading |= self._attempt(query) or {}
        return reading

    def _paced(self, query: Query) -> Reading:
        begin = self._now()
        if query != self._throttled_by and begin < self._due.get(query, begin):
            return {}
        reading = self._attempt(query) or {}
        end = self._now()
        self._due[query] = end + (end - begin) / SHARE
        return reading

    def _attempt(self, query: Callable[[], Any]) -> Any | None:
        if self._lost:
            return None
        try:
            return query()
        except GpuGoneError:
            self._lost = True
        except NotToldError as error:
            if error.for_good:
                self._queries = [each for each in self._queries if each != query]
        return None

    def _on_board(self, function: str, *arguments: Any) -> Any:
        return self._nvml.ask(function, self._gpu.board, *arguments)

    def _throttled_by(self) -> Reading:
        active = self._on_board("nvmlDeviceGetCurrentClocksThrottleReasons")
        return {"throttled_by": names(self._nvml, active)}

    def _sm_clock(self) -> Reading:
        clock = self._on_board("nvmlDeviceGetClockInfo", self._nvml.NVML_CLOCK_SM)
        return {"sm_mhz": clock}

    def _memory_clock(self) -> Reading:
        clock = self._on_board("nvmlDeviceGetClockInfo", self._nvml.NVML_CLOCK_MEM)
        return {"memory_mhz": clock}

    def _celsius(self) -> Reading:
        sensor = self._nvml.NVML_TEMPERATURE_GPU
        return {"celsius": self._on_board("nvmlDeviceGetTemperature", sensor)}

    def _watts(self) -> Reading:
        return {"watts": round(self._on_board("nvmlDeviceGetPowerUsage") / 1e3, 1)}

    def _joules(self) -> float:
        return float(self._on_board("nvmlDeviceGetTotalEnergyConsumption") / 1e3)

    def _energy(self) -> Reading:
        return {"gpu_joules": since(self._joules_before, self._joules(), 3)}

    def _memory(self) -> Reading:
        used = self._nvml.ask("nvmlDeviceGetMemoryInfo", self._gpu.part).used
        return {"device_bytes": int(used)}

    def _processes(self) -> Reading:
        found = occupants(self._nvml, self._gpu.part, self._own, self._belongs)
        return {
            "process_bytes": found.own_bytes,
            "foreign_processes": found.foreign_processes,
            "foreign_bytes": found.foreign_bytes,
        }
