"""Why a GPU's clock is held down, by the driver's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.records.telemetry import BRAKES

if TYPE_CHECKING:
    from bench.measure.telemetry.meter import Reading
    from bench.measure.telemetry.nvml import Nvml

REASONS = {
    "ApplicationsClocksSetting": "application_clocks",
    "SwPowerCap": "sw_power_cap",
    "HwSlowdown": "hw_slowdown",
    "SyncBoost": "sync_boost",
    "SwThermalSlowdown": "sw_thermal",
    "HwThermalSlowdown": "hw_thermal",
    "HwPowerBrakeSlowdown": "hw_power_brake",
    "DisplayClockSetting": "display_clocks",
    "BoardLimit": "board_limit",
    "Reliability": "reliability",
}
"""The library's constants `nvmlClocksThrottleReason...`, without idleness: nothing is held then."""


def names(nvml: Nvml, active: int) -> str:
    """The reasons in this bit mask, joined by spaces; "" for nothing."""
    held = [
        name
        for constant, name in REASONS.items()
        if active & int(getattr(nvml, f"nvmlClocksThrottleReason{constant}", 0))
    ]
    return " ".join(held)


def is_throttled(reading: Reading) -> bool | None:
    """Whether heat, power brake or the hardware hold the clock down; `None` where nobody says.

    A software power cap does not count: many GPUs live at their cap under load.
    """
    reasons = reading.get("throttled_by")
    return None if reasons is None else not BRAKES.isdisjoint(str(reasons).split())
