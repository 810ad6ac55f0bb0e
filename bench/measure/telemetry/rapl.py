"""Energy of the processor packages, by RAPL as Linux shows it (powercap).

Source: "Power Capping Framework" of the Linux kernel's documentation; since CVE-2020-8694 most
systems let only root read the counters.
"""

from __future__ import annotations

from pathlib import Path

from bench.measure.telemetry.files import text, whole

ZONES = "intel-rapl:*"
"""Top-level zones and those below them, on AMD too; `intel-rapl-mmio` would count twice."""


class PackageEnergy:
    """The counters of all packages, each followed beyond its end.

    Args:
        powercap: the folder of the zones.
    """

    def __init__(self, powercap: Path = Path("/sys/class/powercap")) -> None:
        try:
            zones = sorted(powercap.glob(ZONES))
        except OSError:
            zones = []
        packages = [zone for zone in zones if (text(zone / "name") or "").startswith("package")]
        self._counters = [_Counter(zone) for zone in packages]
        self.readable = bool(packages) and self.joules() is not None

    def joules(self) -> float | None:
        """Since the first reading, all packages together; `None` where one can't be read.

        A counter starts again at `max_energy_range_uj`: at some 250 W a package does that every
        quarter of an hour, so readings must not lie further apart.
        """
        read = [counter.joules() for counter in self._counters]
        known = [joules for joules in read if joules is not None]
        return sum(known) if read and len(known) == len(read) else None


class _Counter:
    def __init__(self, zone: Path) -> None:
        self._file = zone / "energy_uj"
        self._range = whole(zone / "max_energy_range_uj")
        self._last: int | None = None
        self._spent = 0

    def joules(self) -> float | None:
        now = whole(self._file)
        if now is None:
            return None
        if self._last is not None:
            moved = now - self._last
            if moved < 0:
                if self._range is None:
                    return None
                moved += self._range
            self._spent += moved
        self._last = now
        return self._spent / 1e6
