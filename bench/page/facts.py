"""The machine that measured, what it did meanwhile, and what was asked of it."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from bench.names import printable
from bench.report.units import duration, number, percent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.records import Machine, Run

Facts = list[tuple[str, str]]

_GIB = 2**30

_READINGS = (
    ("cpu_mhz", "Processor clock", "MHz", 1.0),
    ("load", "Load average", "", 1.0),
    ("stolen_seconds", "Stolen by the hypervisor, a turn", "ms", 1e-3),
    ("quota_seconds", "Held back by the quota, a turn", "ms", 1e-3),
    ("sm_mhz", "SM clock", "MHz", 1.0),
    ("memory_mhz", "Memory clock", "MHz", 1.0),
    ("celsius", "Temperature", "°C", 1.0),
    ("watts", "Power", "W", 1.0),
    ("process_bytes", "GPU memory of the worker", "MiB", 2.0**20),
    ("device_bytes", "GPU memory in use", "MiB", 2.0**20),
    ("foreign_processes", "Other processes on the GPU", "", 1.0),
    ("foreign_bytes", "GPU memory of others", "MiB", 2.0**20),
)
"""Not `cpu_joules` and `gpu_joules`: of a turn they are not the turn's own (see `Telemetry`)."""


def groups(run: Run) -> list[tuple[str, Facts]]:
    """Headings with their facts; what isn't known is left out."""
    found = [
        ("Machine", machine(run.machine)),
        ("Accelerator", accelerator(run.machine)),
        ("Software", software(run)),
        ("Asked for", request(run)),
        ("While it was measured", telemetry(run)),
    ]
    return [(title, facts) for title, facts in found if facts]


def machine(it: Machine) -> Facts:
    """Processor, memory and system."""
    cores = f"{it.cores} core{'' if it.cores == 1 else 's'}"
    return _known(
        ("Processor", it.cpu),
        ("Cores", cores if it.processors is None else f"{cores}, {it.processors} processors"),
        ("Quota", None if it.quota is None else f"{number(it.quota)} processors"),
        ("Memory", f"{number(it.memory_bytes / _GIB)} GiB"),
        ("Instructions", it.cpu_capability),
        ("System", it.os),
    )


def accelerator(it: Machine) -> Facts:
    """The GPU, its limits and settings."""
    gpu = it.gpu
    size = it.accelerator_memory_bytes
    facts = _known(
        ("Name", it.accelerator),
        ("Memory", None if size is None else f"{number(size / _GIB)} GiB"),
        ("CUDA", it.cuda if it.accelerator else None),
        ("cuDNN", it.cudnn if it.accelerator else None),
        ("Driver", it.driver),
    )
    if gpu is None:
        return facts
    return facts + _known(
        ("Multiprocessors", _plain(gpu.sm_count)),
        ("Compute capability", gpu.compute_capability),
        ("Highest SM clock", _unit(gpu.max_sm_mhz, "MHz")),
        ("Highest memory clock", _unit(gpu.max_memory_mhz, "MHz")),
        ("Power limit", _unit(gpu.power_limit_watts, "W")),
        ("Error correction", _switch(gpu.ecc)),
        ("MIG", _switch(gpu.mig)),
        ("Compute mode", gpu.compute_mode),
        ("PCIe", gpu.pcie),
    )


def software(run: Run) -> Facts:
    """What measured, and the switches of torch."""
    it, project = run.machine, run.project
    code = project.version + (f" ({project.commit[:12]})" if project.commit else "")
    facts = _known(
        ("freezebench", code + (", with changes" if project.dirty else "")),
        ("torch", it.torch),
        ("torchvision", it.torchvision),
        ("BLAS", it.blas),
        ("Python", it.python),
        ("Built with", it.build),
    )
    settings = it.settings
    if settings is None:
        return facts
    return facts + _known(
        ("float32 products", settings.matmul_precision),
        ("cuDNN TF32", _switch(settings.cudnn_tf32)),
        ("cuDNN benchmark", _switch(settings.cudnn_benchmark)),
        ("Deterministic", _switch(settings.deterministic)),
        ("Allocator", settings.allocator),
    )


def request(run: Run) -> Facts:
    """What was asked for, and how long it took."""
    it = run.request
    return _known(
        ("Device", it.device),
        ("Type", it.dtype),
        ("Optimizer", it.optimizer),
        ("Batch", _values(cell.batch for cell in run.cells)),
        ("Threads", _values(cell.threads for cell in run.cells)),
        ("Compiled", "yes" if it.compile else None),
        ("Memory format", "channels last" if it.channels_last else None),
        ("Frozen", ", ".join(it.freeze) or None),
        ("Weights", it.weights),
        ("Precision", f"±{percent(it.precision)}"),
        ("Seed", str(it.seed)),
        ("Budget", duration(it.budget)),
        ("Survey", duration(run.surveyed_seconds)),
        ("Timing", duration(run.timed_seconds)),
    )


def telemetry(run: Run) -> Facts:
    """The median and the range of what was read beside the turns of all cells."""
    facts: Facts = []
    kept = [cell.telemetry for cell in run.cells if cell.telemetry is not None]
    for field, title, unit, scale in _READINGS:
        columns = [column for one in kept if (column := getattr(one, field)) is not None]
        values = [
            float(value) / scale for column in columns for value in column if value is not None
        ]
        if values:
            spread = f"{number(min(values))} to {number(max(values))}"
            facts.append((title, f"{number(median(values))} {unit} ({spread})".replace("  ", " ")))
    reasons = {
        reason
        for one in kept
        for entry in one.throttled_by or []
        for reason in (entry or "").split()
    }
    if reasons:
        facts.append(("Clock held down by", ", ".join(sorted(printable(name) for name in reasons))))
    turns = [turn for cell in run.cells for turn in cell.interference]
    wall = sum(turn.wall_seconds for turn in turns)
    if wall > 0:
        used = sum(turn.cpu_seconds for turn in turns) / wall
        facts.append(("Processor time a second", f"{number(used)} s"))
    switches = [t.involuntary_switches for t in turns if t.involuntary_switches is not None]
    if switches:
        facts.append(("Processor taken away, a turn", f"{number(median(switches), 2)} times"))
    return facts


def _known(*facts: tuple[str, str | None]) -> Facts:
    return [(title, printable(value)) for title, value in facts if value]


def _values(numbers: Iterable[int]) -> str | None:
    return ", ".join(str(value) for value in dict.fromkeys(numbers)) or None


def _plain(value: int | None) -> str | None:
    return None if value is None else str(value)


def _unit(value: float | None, unit: str) -> str | None:
    return None if value is None else f"{value:g} {unit}"


def _switch(value: bool | None) -> str | None:
    return None if value is None else "on" if value else "off"
