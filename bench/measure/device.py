"""The one place that knows devices: choosing one, its clock, its memory.

Written against `torch.accelerator`, so that CUDA, ROCm, XPU and MPS come along. What a device does
not offer is `None`, never 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch

from bench.measure.clock import Clock, DeviceClock, HostClock
from bench.measure.telemetry.nvml import session
from strategies import suggest

if TYPE_CHECKING:
    from collections.abc import Callable


class DeviceError(ValueError):
    """The device that was asked for is not there; the message says why and what to do."""


@dataclass(frozen=True)
class AllocatorPeaks:
    """Peaks of an accelerator's caching allocator, in bytes."""

    allocated: int
    reserved: int


@dataclass(frozen=True)
class Device:
    """A device that training runs on: `cpu`, or an accelerator with its index."""

    torch_device: torch.device

    @property
    def is_accelerator(self) -> bool:
        """Whether work is enqueued rather than done at once."""
        return self.torch_device.type != "cpu"

    def __str__(self) -> str:
        return str(self.torch_device)

    def product(self) -> str:
        """The name that its maker gives an accelerator; its kind where torch knows none."""
        if self.is_accelerator:
            module = torch.get_device_module(self.torch_device)
            if hasattr(module, "get_device_name"):
                return str(module.get_device_name(self.torch_device))
        return self.torch_device.type

    def activate(self) -> None:
        """Make this the current device: events record on the stream of whichever that is."""
        if self.is_accelerator:
            torch.accelerator.set_device_index(self.torch_device.index)

    def clock(self) -> Clock:
        """The clock for work on this device."""
        if not self.is_accelerator:
            return HostClock()
        new_event = partial(torch.Event, self.torch_device, enable_timing=True)
        return DeviceClock(new_event, self.synchronize)

    def synchronize(self) -> None:
        """Wait until the device has done all that was enqueued."""
        if self.is_accelerator:
            torch.accelerator.synchronize(self.torch_device)

    def memory_bytes(self) -> int | None:
        """Memory that cells may take: free on an accelerator, available on the host."""
        if self.is_accelerator:
            torch.accelerator.empty_cache()  # what this process keeps for itself is free too
            free_and_total = self._free_and_total()
            return free_and_total[0] if free_and_total else None
        return int(min(psutil.virtual_memory().available, container_memory()))

    def total_memory_bytes(self) -> int | None:
        """All memory of an accelerator."""
        free_and_total = self._free_and_total()
        return free_and_total[1] if free_and_total else None

    def _free_and_total(self) -> tuple[int, int] | None:
        # `torch.accelerator.get_memory_info` is younger than the oldest torch supported.
        module = torch.get_device_module(self.torch_device)
        if not hasattr(module, "mem_get_info"):
            return None
        free, total = module.mem_get_info(self.torch_device)
        return int(free), int(total)

    def reset_peaks(self) -> None:
        """Start the allocator's peaks anew."""
        if self._counts_memory():
            torch.accelerator.reset_peak_memory_stats(self.torch_device)

    def peaks(self) -> AllocatorPeaks | None:
        """The allocator's peaks since `reset_peaks`.

        `None` where the device has no such counter: `torch.accelerator` answers 0 there.
        """
        if not self._counts_memory():
            return None
        return AllocatorPeaks(
            allocated=torch.accelerator.max_memory_allocated(self.torch_device),
            reserved=torch.accelerator.max_memory_reserved(self.torch_device),
        )

    def _counts_memory(self) -> bool:
        if not self.is_accelerator:
            return False
        try:
            return bool(torch.accelerator.memory_stats(self.torch_device))
        except RuntimeError:  # MPS, before its allocator had such counters
            return False


def choose(
    name: str,
    available: Callable[[], bool] = torch.accelerator.is_available,
    count: Callable[[], int] = torch.accelerator.device_count,
) -> Device:
    """The device called `name`: `auto`, `cpu`, or an accelerator with or without index.

    Raises:
        DeviceError: there is no such device.
    """
    if name == "cpu" or (name == "auto" and not available()):
        return Device(torch.device("cpu"))
    present = torch.accelerator.current_accelerator().type if available() else None  # type: ignore[union-attr]
    if name == "auto":
        return Device(torch.device(str(present), 0))
    try:
        wanted = torch.device(name)
    except RuntimeError:
        raise DeviceError(
            f"there is no device called '{name}'; "
            + (
                "torch calls it cuda, mps or xpu, and auto takes what is there"
                if name.startswith("gpu")
                else suggest(name, ["cpu", "cuda", "auto", "mps"])
            )
        ) from None
    if wanted.type == "cpu":
        return Device(torch.device("cpu"))
    if wanted.type != present:
        raise DeviceError(_why_absent(wanted.type))
    index = wanted.index or 0
    if index >= count():
        last = count() - 1
        raise DeviceError(
            f"'{name}' was asked for, but this machine has {count()} {wanted.type} device(s); "
            f"use {wanted.type}:0" + (f" to {wanted.type}:{last}" if last else "")
        )
    return Device(torch.device(wanted.type, index))


def _why_absent(kind: str) -> str:
    if kind != "cuda":
        return f"this machine's torch finds no {kind} device; use --device cpu or auto"
    built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU only"
    if torch.version.hip:
        built = f"ROCm {torch.version.hip}"
    driver = nvidia_driver()
    if driver is None:
        advice = "no NVIDIA driver answers; install one, or use --device cpu"
    elif torch.version.cuda is None:
        advice = f"the NVIDIA driver {driver} is there; install a CUDA build of torch"
    else:
        advice = (
            f"the NVIDIA driver {driver} is there but shows torch no GPU; "
            "look at CUDA_VISIBLE_DEVICES, and whether the driver is recent enough"
        )
    return f"no CUDA device: this torch {torch.__version__} was built for {built}, and {advice}"


def container_memory(group: Path = Path("/sys/fs/cgroup")) -> float:
    """Bytes that the container's limit leaves; infinite without one (cgroup version 2)."""
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return math.inf
    return max(0, limit - used)


def nvidia_driver() -> str | None:
    """The version of the NVIDIA driver, by NVML; `None` without one."""
    nvml = session()
    return None if nvml is None else nvml.driver()
