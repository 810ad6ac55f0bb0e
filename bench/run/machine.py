"""The fingerprint of the machine: what must be equal for results to be compared."""

from __future__ import annotations

import math
import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch

from bench.measure.device import nvidia_driver
from bench.records import Machine

if TYPE_CHECKING:
    from bench.measure.device import Device


def fingerprint(device: Device) -> Machine:
    """The machine as far as it bears on results. No host name, user, path or serial number."""
    cpu = _cpu_model()
    cores = physical_cores()
    name = f"{cpu} {cores} cores"
    accelerator, accelerator_memory, cudnn, driver = None, None, None, None
    if device.is_accelerator:
        accelerator = _accelerator_name(device)
        accelerator_memory = device.total_memory_bytes()
        name = accelerator
        if torch.backends.cudnn.is_available():  # type: ignore[no-untyped-call]
            cudnn = str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
        driver = nvidia_driver()
    return Machine(
        name=name,
        cpu=cpu,
        cores=cores,
        memory_bytes=int(psutil.virtual_memory().total),
        os=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        torch=str(torch.__version__),
        torchvision=_version_of("torchvision"),
        blas=_blas(),
        accelerator=accelerator,
        accelerator_memory_bytes=accelerator_memory,
        cuda=torch.version.cuda or torch.version.hip if device.is_accelerator else None,
        cudnn=cudnn,
        driver=driver,
    )


def physical_cores() -> int:
    """Cores without hyper-threads, at most those that this process and container may use."""
    physical = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    process = psutil.Process()
    allowed = len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else physical
    return max(1, min(physical, allowed, _quota()))


def _quota(group: Path = Path("/sys/fs/cgroup")) -> int:
    """Whole processors that the container's quota amounts to (cgroup version 2)."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):  # no such file, or "max"
        return sys.maxsize


def _accelerator_name(device: Device) -> str:
    kind = device.torch_device.type
    module = torch.get_device_module(device.torch_device)
    if hasattr(module, "get_device_name"):
        return str(module.get_device_name(device.torch_device))
    return kind


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        if found:
            return " ".join(re.sub(r"\((R|TM)\)", "", found[1]).split())
    return platform.processor() or platform.machine()


def _blas() -> str:
    settings = torch.__config__.show()
    for pattern in (r"Math Kernel Library Version [\d.]+", r"BLAS_INFO=\w+"):
        found = re.search(pattern, settings)
        if found:
            return found[0].replace("BLAS_INFO=", "").replace("Math Kernel Library Version", "MKL")
    return "unknown"


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
