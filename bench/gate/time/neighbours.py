"""Others on the machine: where they are, and how much of it they take."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_AROUND = 0.3
"""Seconds for finding out which processors the neighbours leave idle."""


def idlest_processors(count: int, usage: Callable[[float], list[float]] | None = None) -> list[int]:
    """So many of the processors that this process may use, those with the least load of others.

    Empty where the system has no way to stay on a processor.
    """
    if not hasattr(os, "sched_getaffinity"):
        return []
    allowed = sorted(os.sched_getaffinity(0))
    if count >= len(allowed):
        return allowed
    measure = usage or (lambda s: [float(p) for p in psutil.cpu_percent(s, percpu=True)])
    loads = measure(LOOK_AROUND)
    by_load = sorted(allowed, key=lambda cpu: (loads[cpu] if cpu < len(loads) else 0.0, -cpu))
    return sorted(by_load[:count])


class Usage:
    """What became of the machine's processor time since this was made."""

    def __init__(self, read: Callable[[], Any] = psutil.cpu_times) -> None:
        self._read = read
        self._before = read()
        self._own = _own_seconds()

    def since(self) -> tuple[float | None, float | None]:
        """Shares of all processor time that others used, and that the hypervisor took."""
        after = self._read()
        spent = {
            name: getattr(after, name) - getattr(self._before, name)
            for name in after._fields
            if not name.startswith("guest")  # counted in user already
        }
        whole = sum(spent.values())
        if whole <= 0:
            return None, None
        stolen = spent.get("steal")
        idle = spent.get("idle", 0.0) + spent.get("iowait", 0.0) + (stolen or 0.0)
        own = _own_seconds() - self._own
        others = max(0.0, whole - idle - own)
        return others / whole, None if stolen is None else stolen / whole


def _own_seconds() -> float:
    """Processor time of this process and of all below it that are still alive."""
    process = psutil.Process()
    total = sum(process.cpu_times()[:2])
    for child in process.children(recursive=True):
        try:
            total += sum(child.cpu_times()[:2])
        except psutil.Error:
            continue
    return float(total)
