"""A stand-in for `pynvml`: its functions' signatures, its constants and its errors, no driver.

That the signatures are those of the library is a test of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml

UUID = "3f2a9c1e-0000-4444-8888-1234567890ab"
INSTANCE = "77777777-aaaa-bbbb-cccc-0987654321fe"
BUS = "00000000:3b:00.0"
SERIAL = "1325119876543"
LOST = pynvml.NVML_ERROR_GPU_IS_LOST
UNSUPPORTED = pynvml.NVML_ERROR_NOT_SUPPORTED


def process(pid: int, used: int | None) -> SimpleNamespace:
    """As the library makes them of `c_nvmlProcessInfo_t`."""
    return SimpleNamespace(pid=pid, usedGpuMemory=used)


@dataclass
class FakeNvml:
    """One board, known by UUID and address; with `mig`, cut, with one instance.

    `errors` maps a function to the code that it fails with; `silent` makes everything fail with
    that code. Handles are the strings "board" and "instance".
    """

    errors: dict[str, int] = field(default_factory=dict)
    silent: int | None = None
    mig: bool = False
    known: bool = True
    millijoules: int = 1_000_000
    celsius: int = 41
    reasons: int = 0
    computing: list[SimpleNamespace] = field(default_factory=list)
    drawing: list[SimpleNamespace] = field(default_factory=list)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("nvml") and callable(getattr(pynvml, name)):
            raise AttributeError(f"the stand-in has no {name}")
        return getattr(pynvml, name)

    def _hear(self, name: str, handle: Any = None) -> None:
        self.asked.append((name, handle))
        code = self.silent if self.silent is not None else self.errors.get(name)
        if code is not None:
            raise pynvml.NVMLError(code)

    def nvmlInit(self) -> None:  # noqa: N802
        self._hear("nvmlInit")

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        self._hear("nvmlSystemGetDriverVersion")
        return "580.65.06"

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        self._hear("nvmlDeviceGetHandleByUUID")
        handles = {f"GPU-{UUID}": "board"} if self.known else {}
        if self.mig:
            handles[f"MIG-{INSTANCE}"] = "instance"
        if uuid not in handles:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return handles[uuid]

    def nvmlDeviceGetHandleByPciBusId(self, pciBusId: str) -> str:  # noqa: N802, N803
        self._hear("nvmlDeviceGetHandleByPciBusId")
        if pciBusId != BUS:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return "board"

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, migDevice: Any) -> str:  # noqa: N802, N803
        self._hear("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", migDevice)
        return "board"

    def nvmlDeviceGetMigMode(self, device: Any) -> list[int]:  # noqa: N802
        self._hear("nvmlDeviceGetMigMode", device)
        return [int(self.mig), int(self.mig)]

    def nvmlDeviceGetClockInfo(self, handle: Any, type: int) -> int:  # noqa: N802
        self._hear("nvmlDeviceGetClockInfo", handle)
        self._board_only(handle)
        return {pynvml.NVML_CLOCK_SM: 1980, pynvml.NVML_CLOCK_MEM: 2619}[type]

    def nvmlDeviceGetMaxClockInfo(self, handle: Any, type: int) -> int:  # noqa: N802
        self._hear("nvmlDeviceGetMaxClockInfo", handle)
        return {pynvml.NVML_CLOCK_SM: 2010, pynvml.NVML_CLOCK_MEM: 2700}[type]

    def nvmlDeviceGetTemperature(self, handle: Any, sensor: int) -> int:  # noqa: N802
        self._hear("nvmlDeviceGetTemperature", handle)
        self._board_only(handle)
        return {pynvml.NVML_TEMPERATURE_GPU: self.celsius}[sensor]

    def nvmlDeviceGetPowerUsage(self, handle: Any) -> int:  # noqa: N802
        self._hear("nvmlDeviceGetPowerUsage", handle)
        return 312_345

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any) -> int:  # noqa: N802
        self._hear("nvmlDeviceGetTotalEnergyConsumption", handle)
        return self.millijoules

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: Any) -> int:  # noqa: N802
        self._hear("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
        self._board_only(handle)
        return self.reasons

    def nvmlDeviceGetMemoryInfo(self, handle: Any, version: Any = None) -> SimpleNamespace:  # noqa: N802
        self._hear("nvmlDeviceGetMemoryInfo", handle)
        used = {"board": 5_000, "instance": 700}[handle]
        return SimpleNamespace(total=80_000, free=80_000 - used, used=used)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> list[SimpleNamespace]:  # noqa: N802
        self._hear("nvmlDeviceGetComputeRunningProcesses", handle)
        return list(self.computing)

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: Any) -> list[SimpleNamespace]:  # noqa: N802
        self._hear("nvmlDeviceGetGraphicsRunningProcesses", handle)
        return list(self.drawing)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: Any) -> int:  # noqa: N802
        self._hear("nvmlDeviceGetEnforcedPowerLimit", handle)
        return 700_000

    def nvmlDeviceGetEccMode(self, handle: Any) -> list[int]:  # noqa: N802
        self._hear("nvmlDeviceGetEccMode", handle)
        return [1, 1]

    def nvmlDeviceGetComputeMode(self, handle: Any) -> int:  # noqa: N802
        self._hear("nvmlDeviceGetComputeMode", handle)
        return pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS

    def nvmlDeviceGetMaxPcieLinkGeneration(self, handle: Any) -> int:  # noqa: N802
        self._hear("nvmlDeviceGetMaxPcieLinkGeneration", handle)
        return 5

    def nvmlDeviceGetMaxPcieLinkWidth(self, handle: Any) -> int:  # noqa: N802
        self._hear("nvmlDeviceGetMaxPcieLinkWidth", handle)
        return 16

    def _board_only(self, handle: Any) -> None:
        if handle != "board":
            raise pynvml.NVMLError(UNSUPPORTED)
