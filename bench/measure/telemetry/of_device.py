"""From torch's device to its meters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bench.measure.telemetry.gpu import GpuMeter
from bench.measure.telemetry.host import HostMeter
from bench.measure.telemetry.meter import Meters
from bench.measure.telemetry.nvml import Gpu, Nvml, session

if TYPE_CHECKING:
    from bench.measure.device import Device
    from bench.measure.telemetry.meter import Meter


def meter(device: Device) -> Meter:
    """Reads the host, and the GPU if `device` is one of NVIDIA's that its driver knows."""
    found = driver_and_gpu(device)
    return Meters([HostMeter(), *([GpuMeter(*found)] if found else [])])


def driver_and_gpu(device: Device) -> tuple[Nvml, Gpu] | None:
    """The session with the driver and this device in it; `None` for whatever is not NVIDIA's."""
    if device.torch_device.type != "cuda" or torch.version.hip is not None:
        return None
    nvml = session()
    if nvml is None:
        return None
    properties = torch.cuda.get_device_properties(device.torch_device)
    gpu = nvml.find(str(getattr(properties, "uuid", "")), bus_address(properties))
    return None if gpu is None else (nvml, gpu)


def bus_address(properties: object) -> str | None:
    """Domain, bus and device as the driver writes them; `None` where torch doesn't tell."""
    names = ("pci_domain_id", "pci_bus_id", "pci_device_id")
    if not all(hasattr(properties, name) for name in names):
        return None
    domain, number, device = (int(getattr(properties, name)) for name in names)
    return f"{domain:08x}:{number:02x}:{device:02x}.0"
