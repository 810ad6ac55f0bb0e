"""Made-up runs for a collection: few cells, and everything that may differ between two runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from bench.records import (
    SCHEMA,
    Cell,
    Energy,
    Interval,
    Machine,
    Memory,
    Phase,
    Project,
    Request,
    Run,
    Summary,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

RATIOS = {"requires_grad": 0.6, "no_grad": 0.5, "lr_zero": 1.0}
MIB = 2**20

MACHINE = Machine(
    name="a small server 2 cores", cpu="AMD EPYC", cores=2, memory_bytes=8 * 2**30, os="Linux 6.1",
    python="3.12", torch="2.14.1+cpu", torchvision="0.29.0", blas="MKL",
)  # fmt: skip
GPU = msgspec.structs.replace(
    MACHINE, name="H100", accelerator="H100", accelerator_memory_bytes=80 * 2**30
)


def interval(value: float, width: float | None = 0.02) -> Interval:
    """An interval of a relative half-width, without bounds if that is `None`."""
    if width is None:
        return Interval(value, None, None)
    return Interval(value, value / (1 + width), value * (1 + width))


def cell(
    strategy: str = "full",
    ratio: float | None = None,
    *,
    workload: str = "policy",
    verdict: Verdict | None = None,
    width: float | None = 0.02,
    lives: int = 8,
    peak: int | None = 8 * MIB,
    joules: float | None = None,
    **changes: Any,
) -> Cell:
    """One cell, timed unless it has failed; `full` takes 10 ms."""
    verdict = verdict or ("reference" if strategy == "full" else "ok")
    ratio = RATIOS.get(strategy, 1.0) if ratio is None else ratio
    phase = Phase(
        interval(0.01 * ratio, width), None if strategy == "full" else interval(ratio, width)
    )
    timed = verdict not in ("failed", "severed")
    plain: dict[str, Any] = {
        "topology": "front", "device": "cpu", "dtype": "float32", "batch": 64, "threads": 1,
        "optimizer": "adam", "why": "" if verdict in ("ok", "reference") else "for a reason",
        "fingerprint": "f00d",
        "summary": Summary(lives, 12, {"backward": phase, "total": phase}, {"total": ratio / 2})
        if timed
        else None,
        "memory": Memory(peak_bytes=peak if timed else None),
        "energy": None if joules is None else Energy(interval(joules), "gpu counter", 100, 1.0),
    }  # fmt: skip
    return Cell(workload=workload, strategy=strategy, verdict=verdict, **{**plain, **changes})


def cells(
    ratios: Mapping[str, float] | None = None, *, workload: str = "policy", **changes: Any
) -> list[Cell]:
    """`full` and strategies with their ratios to it."""
    wanted = RATIOS if ratios is None else ratios
    return [
        cell(workload=workload, **changes),
        *(cell(name, ratio, workload=workload, **changes) for name, ratio in wanted.items()),
    ]


def run(
    made: Sequence[Cell] | None = None,
    *,
    id: str = "20260101-000000-aaaa",
    machine: Machine = MACHINE,
    request: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Run:
    """A run; a later `id` began later."""
    plain: dict[str, Any] = {
        "schema": SCHEMA, "started": id, "state": "done", "stopped_by": "budget",
        "surveyed_seconds": 1.0, "timed_seconds": 1.0, "project": Project("0.1.0", "c0ffee", False),
        "synthetic": True,
    }  # fmt: skip
    asked: dict[str, Any] = {
        "workloads": (), "strategies": (), "device": "cpu", "dtype": "float32", "batch": None,
        "threads": None, "optimizer": "adam", "seed": 0, "steps": 5, "precision": 0.05,
        "budget": 90.0, "cell_timeout": 300.0, "freeze": (), "weights": None, "compile": False,
        "channels_last": False,
    }  # fmt: skip
    return Run(
        id=id,
        machine=machine,
        request=Request(**{**asked, **(request or {})}),
        cells=list(cells() if made is None else made),
        **{**plain, **changes},
    )


def stored(results: Path, run: Run, machine: str = "m", folder: str | None = None) -> Path:
    """The `run.json` of a run in a results folder."""
    file = results / machine / (folder or run.id) / "run.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.encode(run))
    return file
