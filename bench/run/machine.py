"""The fingerprint of the machine: what must be equal for results to be compared."""

from __future__ import annotations

import math
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch

from bench.measure.device import nvidia_driver
from bench.measure.telemetry.groups import groups
from bench.measure.telemetry.of_device import driver_and_gpu
from bench.records import Machine
from bench.run.gpu import gpu_record
from bench.run.torch_build import blas, build, settings

if TYPE_CHECKING:
    from bench.measure.device import Device


def fingerprint(device: Device) -> Machine:
    """The machine as far as it bears on results. No host name, user, path or serial number."""
    cpu = _cpu_model()
    cores = physical_cores()
    name = f"{cpu} {cores} cores"
    accelerator, accelerator_memory, cudnn, driver, gpu = None, None, None, None, None
    if device.is_accelerator:
        accelerator = device.product()
        accelerator_memory = device.total_memory_bytes()
        name = accelerator
        if torch.backends.cudnn.is_available():  # type: ignore[no-untyped-call]
            cudnn = str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
        driver = nvidia_driver()
        if device.torch_device.type == "cuda":
            properties = torch.cuda.get_device_properties(device.torch_device)
            gpu = gpu_record(properties, driver_and_gpu(device))
    return Machine(
        name=name,
        cpu=cpu,
        cores=cores,
        memory_bytes=int(psutil.virtual_memory().total),
        os=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        torch=str(torch.__version__),
        torchvision=_version_of("torchvision"),
        blas=blas(),
        accelerator=accelerator,
        accelerator_memory_bytes=accelerator_memory,
        cuda=torch.version.cuda or torch.version.hip if device.is_accelerator else None,
        cudnn=cudnn,
        driver=driver,
        processors=processors(),
        quota=quota(),
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        build=build(),
        settings=settings(),
        gpu=gpu,
    )


def physical_cores() -> int:
    """Cores without hyper-threads, at most those that this process and container may use."""
    physical = psutil.cpu_count(logical=False) or processors()
    limit = quota()
    allowed = min(physical, processors())
    return max(1, allowed if limit is None else min(allowed, math.ceil(limit)))


def processors() -> int:
    """Processors that this process may use, hyper-threads included."""
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):
        return len(process.cpu_affinity())
    return psutil.cpu_count() or 1


def quota(proc: Path = Path("/proc"), root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Processors that the tightest quota amounts to, of this process's group and those above it.

    `None` without one (cgroup version 2).
    """
    found = [each for group in groups(proc, root) if (each := _quota_of(group)) is not None]
    return min(found, default=None)


def _quota_of(group: Path) -> float | None:
    try:
        limit, period = (group / "cpu.max").read_text().split()
        return round(int(limit) / int(period), 3)
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or "max"
        return None


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        if found:
            return " ".join(re.sub(r"\((R|TM)\)", "", found[1]).split())
    return platform.processor() or platform.machine()


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
