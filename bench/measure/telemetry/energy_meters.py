"""Where joules come from: a GPU's counter, its power over time, or the processor packages."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from bench.measure.telemetry.nvml import GpuGoneError, NotToldError
from bench.measure.telemetry.of_device import driver_and_gpu
from bench.measure.telemetry.rapl import PackageEnergy

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.measure.device import Device
    from bench.measure.energy import EnergyMeter, Source
    from bench.measure.telemetry.nvml import Gpu, Nvml

SAMPLES_A_SECOND = 40
"""Of power: drivers renew it some ten to fifty times a second."""


class GpuCounter:
    """The board's own counter of energy."""

    source: Source = "gpu counter"

    def __init__(self, nvml: Nvml, gpu: Gpu) -> None:
        self._nvml, self._board = nvml, gpu.board

    def joules(self) -> float | None:
        """See `EnergyMeter.joules`."""
        millijoules = self._nvml.told("nvmlDeviceGetTotalEnergyConsumption", self._board)
        return None if millijoules is None else millijoules / 1e3

    def end(self) -> None:
        """Nothing is held."""


class GpuPower:
    """The board's power, sampled by a thread and integrated by the trapezoidal rule.

    The thread stays on the last processor that this process may use and the steps leave free, if
    there is one.

    Args:
        nvml: the session.
        gpu: the device.
        now: seconds.
        wait: sleeps so many seconds, and says whether to end.
    """

    source: Source = "gpu power"

    def __init__(
        self,
        nvml: Nvml,
        gpu: Gpu,
        now: Callable[[], float] = time.perf_counter,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._nvml, self._board, self._now = nvml, gpu.board, now
        self._ended = threading.Event()
        self._wait = wait or self._ended.wait
        self._lock = threading.Lock()
        self._last: tuple[float, float] | None = None
        self._spent = 0.0
        self._silent = False
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def joules(self) -> float | None:
        """See `EnergyMeter.joules`: one more sample, so that a window ends when it ends."""
        self._take()
        return None if self._silent else self._spent

    def end(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        _keep_to_last_processor()
        while not self._silent and not self._wait(1 / SAMPLES_A_SECOND):
            self._take()

    def _take(self) -> None:
        with self._lock:
            try:
                watts = self._nvml.ask("nvmlDeviceGetPowerUsage", self._board) / 1e3
            except NotToldError as error:
                self._silent |= error.for_good
                return
            except GpuGoneError:
                self._silent = True
                return
            moment = self._now()
            if self._last is not None:
                then, before = self._last
                self._spent += (watts + before) / 2 * (moment - then)
            self._last = moment, watts


class Packages:
    """The processor packages, whoever else runs on them."""

    source: Source = "cpu package"

    def __init__(self, packages: PackageEnergy) -> None:
        self._packages = packages

    def joules(self) -> float | None:
        """See `EnergyMeter.joules`."""
        return self._packages.joules()

    def end(self) -> None:
        """Nothing is held."""


FOR_GPUS: dict[Source, str] = {
    "gpu counter": "nvmlDeviceGetTotalEnergyConsumption",
    "gpu power": "nvmlDeviceGetPowerUsage",
}
"""What the driver is asked for each, the better one first."""


def source(device: Device, packages: PackageEnergy | None = None) -> Source | None:
    """Where a cell's joules would come from; `None` where this machine gives none.

    The processor's count for cells on it alone: the work of an accelerator is not in them. Nor
    does an instance of a GPU have figures of its own.
    """
    if not device.is_accelerator:
        packages = packages or PackageEnergy()
        return "cpu package" if packages.readable else None
    found = driver_and_gpu(device)
    return None if found is None else gpu_source(*found)


def gpu_source(nvml: Nvml, gpu: Gpu) -> Source | None:
    """The better of what the driver tells of this GPU."""
    if gpu.instance:
        return None
    return next((name for name, ask in FOR_GPUS.items() if nvml.told(ask, gpu.board)), None)


def energy_meter(device: Device) -> EnergyMeter | None:
    """A meter of the source that `source` names."""
    if not device.is_accelerator:
        packages = PackageEnergy()
        return Packages(packages) if packages.readable else None
    found = driver_and_gpu(device)
    if found is None:
        return None
    name = gpu_source(*found)
    if name is None:
        return None
    return GpuCounter(*found) if name == "gpu counter" else GpuPower(*found)


def _keep_to_last_processor() -> None:
    if hasattr(os, "sched_setaffinity"):  # of the calling thread, in spite of its name
        allowed = os.sched_getaffinity(0)
        if len(allowed) > 1:
            os.sched_setaffinity(0, {max(allowed)})
