"""The GPU's part of the fingerprint: what it is and is set to, no figure of a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.records import Gpu

if TYPE_CHECKING:
    from bench.measure.telemetry import nvml

COMPUTE_MODES = {
    "NVML_COMPUTEMODE_DEFAULT": "default",
    "NVML_COMPUTEMODE_PROHIBITED": "prohibited",
    "NVML_COMPUTEMODE_EXCLUSIVE_PROCESS": "exclusive process",
}


def gpu_record(properties: Any, driver: tuple[nvml.Nvml, nvml.Gpu] | None) -> Gpu:
    """The record of a GPU: no UUID, serial number or address.

    Args:
        properties: torch's of the device.
        driver: the session and the device in it, if NVIDIA's driver knows it.
    """
    sm_count = getattr(properties, "multi_processor_count", None)
    capability = f"{properties.major}.{properties.minor}" if hasattr(properties, "major") else None
    if driver is None:
        return Gpu(sm_count=sm_count, compute_capability=capability)
    session, found = driver
    told, board = session.told, found.board
    watts = told("nvmlDeviceGetEnforcedPowerLimit", board)
    ecc = told("nvmlDeviceGetEccMode", board)
    return Gpu(
        sm_count=sm_count,
        compute_capability=capability,
        mig=True if found.instance else session.is_cut(board),
        compute_mode=_compute_mode(session, board),
        power_limit_watts=None if watts is None else round(watts / 1e3, 1),
        max_sm_mhz=told("nvmlDeviceGetMaxClockInfo", board, session.NVML_CLOCK_SM),
        max_memory_mhz=told("nvmlDeviceGetMaxClockInfo", board, session.NVML_CLOCK_MEM),
        ecc=None if ecc is None else bool(ecc[0]),
        pcie=_pcie(session, board),
    )


def _compute_mode(session: nvml.Nvml, board: Any) -> str | None:
    mode = session.told("nvmlDeviceGetComputeMode", board)
    words = {getattr(session, constant): word for constant, word in COMPUTE_MODES.items()}
    return words.get(mode)


def _pcie(session: nvml.Nvml, board: Any) -> str | None:
    """The widest link that board and slot allow: that in use goes down when the GPU idles."""
    generation = session.told("nvmlDeviceGetMaxPcieLinkGeneration", board)
    width = session.told("nvmlDeviceGetMaxPcieLinkWidth", board)
    return None if generation is None or width is None else f"{generation}.0 x{width}"
