"""JSON that pytest-benchmark reads: `py.test-benchmark compare FILE`, `--benchmark-compare=FILE`.

A benchmark is one cell in one phase, called `policy[no_grad] backward`, in the group
`policy/backward`; a test that is to be compared with it sets `benchmark.fullname` to that name. The
data are the samples that the figures use: the first step of a turn, colder than the others, is left
out here too. The statistics are pytest-benchmark's own. They are absolute times, which say little
about another run: the ratio to `full` of the same rounds, with its interval, is in `extra_info`.
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Any

from bench.export import ExportError
from bench.export.figures import counting, name_of, plain, summary_of
from bench.export.strict_json import strict_json
from bench.records import CONFIDENCE, PHASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Cell, Interval, Machine, Project, Run


def export(run: Run) -> bytes:
    """The run as pytest-benchmark saves one.

    Raises:
        ExportError: pytest-benchmark is not installed.
    """
    try:
        from pytest_benchmark import __version__ as version  # noqa: PLC0415  an extra
    except ImportError as error:
        raise ExportError(
            "the format pytest-benchmark takes pytest-benchmark's own statistics; "
            "pip install 'freezebench[pytest]'"
        ) from error
    return strict_json(
        {
            "machine_info": _machine(run.machine),
            "commit_info": _commit(run.project),
            "benchmarks": [row for cell in run.cells for row in _benchmarks(run, cell)],
            "datetime": run.started,
            "version": version,
        }
    )


def _benchmarks(run: Run, cell: Cell) -> Iterator[dict[str, Any]]:
    counts = counting(cell)
    if not any(counts):
        return
    from pytest_benchmark.stats import Stats  # noqa: PLC0415  an extra

    for phase in PHASES:
        stats: Any = Stats()  # type: ignore[no-untyped-call]
        for seconds in compress(getattr(cell.samples, phase), counts):
            stats.update(seconds)
        name = name_of(cell, phase)
        yield {
            "group": f"{cell.workload}/{phase}",
            "name": name,
            "fullname": name,
            "params": {
                "workload": cell.workload,
                "strategy": cell.strategy,
                "phase": phase,
                "device": cell.device,
                "dtype": cell.dtype,
                "batch": cell.batch,
                "threads": cell.threads,
                "optimizer": cell.optimizer,
            },
            "param": cell.strategy,
            "extra_info": _extra(run, cell, phase),
            "options": {"disable_gc": True, "warmup": True},
            "stats": {**stats.as_dict(), "data": stats.data, "iterations": 1},
        }


def _extra(run: Run, cell: Cell, phase: str) -> dict[str, Any]:
    extra: dict[str, Any] = {
        "run": run.id,
        "topology": cell.topology,
        "verdict": cell.verdict,
        "midway_verdict": None if cell.midway is None else cell.midway.verdict,
        "memory": plain(cell.memory),
        "counters": plain(cell.counters),
    }
    summary = summary_of(run, cell)
    if summary is not None and phase in summary.phases:
        figures = summary.phases[phase]
        extra |= {
            "lives": summary.lives,
            "rounds": summary.rounds,
            "confidence": CONFIDENCE,
            "typical_seconds": _bounds(figures.seconds),
            "ratio_to_full": _bounds(figures.ratio),
        }
    return extra


def _bounds(interval: Interval | None) -> dict[str, float | None] | None:
    if interval is None:
        return None
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def _machine(machine: Machine) -> dict[str, Any]:
    """In the shape of pytest-benchmark's own; `node`, there the host's name, is the machine's."""
    system, *rest = machine.os.split() or [""]
    *release, architecture = rest or [""]
    return {
        "node": machine.name,
        "processor": machine.cpu,
        "machine": architecture,
        "python_compiler": "",
        "python_implementation": "",
        "python_implementation_version": machine.python,
        "python_version": machine.python,
        "python_build": ["", ""],
        "release": " ".join(release),
        "system": system,
        "cpu": {"brand_raw": machine.cpu, "count": machine.cores},
        "memory_bytes": machine.memory_bytes,
        "torch": machine.torch,
        "torchvision": machine.torchvision,
        "blas": machine.blas,
        "accelerator": machine.accelerator,
        "cuda": machine.cuda,
        "cudnn": machine.cudnn,
        "driver": machine.driver,
    }


def _commit(project: Project) -> dict[str, Any]:
    return {
        "id": project.commit or "unversioned",
        "time": None,
        "author_time": None,
        "dirty": bool(project.dirty),
        "project": "freezebench",
        "branch": "(unknown)",
    }
