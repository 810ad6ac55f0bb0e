"""Who else is on the GPU."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.measure.telemetry.nvml import Nvml


@dataclass(frozen=True)
class Occupants:
    """Processes on a GPU and their bytes; all `None` where the driver's list is not of our world.

    `None` bytes of the foreign: the driver names some of them without their memory.
    """

    own_bytes: int | None = None
    foreign_processes: int | None = None
    foreign_bytes: int | None = None


def same_run(own: int) -> Callable[[int], bool]:
    """Whether a process is this one or belongs to its run.

    That is another worker, a child of the same fork server, or the conductor, that server's parent:
    it waits while workers work, but a test session or a notebook may have used the GPU before.

    Args:
        own: this process.
    """
    parent = os.getppid()
    conductor = _parent_of(parent)

    def belongs(process: int) -> bool:
        return process in (own, conductor) or _parent_of(process) == parent

    return belongs


def _parent_of(process: int) -> int | None:
    try:
        return psutil.Process(process).ppid()
    except psutil.Error:
        return None


def occupants(nvml: Nvml, part: Any, own: int, belongs: Callable[[int], bool]) -> Occupants:
    """Who is on this GPU or instance, computing or drawing.

    The driver lists the host's process numbers. A container has numbers of its own: there this
    process, which does hold a context, is not in the list, and nothing is said of the others.

    Raises:
        NotToldError: the driver doesn't list processes.
        GpuGoneError: it doesn't answer any more.
    """
    listed = nvml.ask("nvmlDeviceGetComputeRunningProcesses", part)
    drawing = nvml.told("nvmlDeviceGetGraphicsRunningProcesses", part) or []
    found: dict[int, int | None] = {}
    for process in (*listed, *drawing):  # a process may be in both, with all its memory
        known, more = found.get(process.pid), process.usedGpuMemory
        found[process.pid] = known if more is None else max(known or 0, int(more))
    if own not in found:
        return Occupants()
    foreign = [size for process, size in found.items() if not belongs(process)]
    known_sizes = [size for size in foreign if size is not None]
    return Occupants(
        own_bytes=found[own],
        foreign_processes=len(foreign),
        foreign_bytes=sum(known_sizes) if len(known_sizes) == len(foreign) else None,
    )
