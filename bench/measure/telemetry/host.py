"""The host beside a turn: frequency, load, stolen time, the container's quota, package energy."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure.telemetry.files import text, whole
from bench.measure.telemetry.groups import groups
from bench.measure.telemetry.meter import since
from bench.measure.telemetry.rapl import PackageEnergy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.measure.telemetry.meter import Reading

STOLEN = 8
"""Field of a processor's line in /proc/stat (proc_stat(5)), its name being field 0."""

MOST_PROCESSORS = 32
"""Whose frequency is read: on a large machine so many, evenly spread, stand for all."""


class HostMeter:
    """Reads /proc and /sys; what is not there, or not for us to read, has no column.

    Args:
        proc: the root of the kernel's figures of processes.
        sys: the root of its figures of devices and control groups.
        processors: that the worker may use; those of this process if not given.
        ticks: of /proc/stat in a second.
    """

    def __init__(
        self,
        proc: Path = Path("/proc"),
        sys: Path = Path("/sys"),
        processors: Sequence[int] | None = None,
        ticks: int | None = None,
    ) -> None:
        self._proc = proc
        self._ticks = ticks or os.sysconf("SC_CLK_TCK")
        chosen = sorted(_allowed() if processors is None else processors)
        self._lines = frozenset(f"cpu{number}" for number in chosen)
        chosen = chosen[:: -(-len(chosen) // MOST_PROCESSORS) or 1]
        folders = [sys / "devices/system/cpu" / f"cpu{number}/cpufreq" for number in chosen]
        self._frequencies = [folder / "scaling_cur_freq" for folder in folders]
        if not any(file.is_file() for file in self._frequencies):
            self._frequencies = []
        self._processors = frozenset(chosen)
        # Without these counters the kernel's figure is the processor's label, measured by nobody.
        self._measures_clock = " aperfmperf" in (text(proc / "cpuinfo") or "")
        files = [group / "cpu.stat" for group in groups(proc, sys / "fs/cgroup")]
        self._groups = [file for file in files if _throttled_seconds(file) is not None]
        self._energy = PackageEnergy(sys / "class/powercap")
        self._before: dict[str, float | None] = {}

    def before(self) -> None:
        """See `Meter.before`."""
        self._before = self._counters()

    def after(self) -> Reading:
        """See `Meter.after`. Seconds to the tenth of a millisecond, joules to the thousandth."""
        now = self._counters()
        reading: Reading = {
            "stolen_seconds": since(self._before.get("stolen"), now["stolen"], 4),
            "quota_seconds": self._held_back(now),
            "cpu_joules": since(self._before.get("joules"), now["joules"], 3),
            "load": self._load(),
            "cpu_mhz": self._megahertz(),
        }
        return {column: value for column, value in reading.items() if value is not None}

    def _counters(self) -> dict[str, float | None]:
        return {
            "stolen": self._stolen(),
            "joules": self._energy.joules() if self._energy.readable else None,
            **{str(group): _throttled_seconds(group) for group in self._groups},
        }

    def _held_back(self, now: dict[str, float | None]) -> float | None:
        # A quota holds back all groups below it, so the largest figure has the others in it.
        spans = [since(self._before.get(str(group)), now[str(group)], 4) for group in self._groups]
        return max((span for span in spans if span is not None), default=None)

    def _stolen(self) -> float | None:
        """Of the processors that may be used, as `bench.disturbance` weighs it against them."""
        lines = [line.split() for line in (text(self._proc / "stat") or "").splitlines()]
        try:
            found = [int(line[STOLEN]) for line in lines if line and line[0] in self._lines]
        except (IndexError, ValueError):
            return None
        return sum(found) / self._ticks if found else None

    def _load(self) -> float | None:
        try:
            return float((text(self._proc / "loadavg") or "").split()[0])
        except (IndexError, ValueError):
            return None

    def _megahertz(self) -> float | None:
        kilohertz = [value for file in self._frequencies if (value := whole(file)) is not None]
        if kilohertz:
            return round(sum(kilohertz) / len(kilohertz) / 1e3, 1)
        if not self._measures_clock:
            return None
        found = [
            float(megahertz)
            for number, megahertz in re.findall(
                r"^processor\s*:\s*(\d+)$.*?^cpu MHz\s*:\s*([\d.]+)$",
                text(self._proc / "cpuinfo") or "",
                re.MULTILINE | re.DOTALL,
            )
            if int(number) in self._processors
        ]
        return round(sum(found) / len(found), 1) if found else None


def _allowed() -> Sequence[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return range(os.cpu_count() or 1)


def _throttled_seconds(file: Path) -> float | None:
    """How long a quota has held the group back, added up over processors (cgroup version 2)."""
    found = re.search(r"^throttled_usec (\d+)$", text(file) or "", re.MULTILINE)
    return int(found[1]) / 1e6 if found else None
