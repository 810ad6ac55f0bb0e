"""The raw data as a tidy frame: one row a sample and phase.

The table of figures, one row a cell, is `table.csv` in the run's folder.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from bench.export.figures import counting
from bench.records import PHASES

if TYPE_CHECKING:
    from bench.records import Cell, Run

COLUMNS: dict[str, str] = {
    "run": "string",
    "workload": "string",
    "strategy": "string",
    "topology": "string",
    "device": "string",
    "dtype": "string",
    "batch": "Int64",
    "threads": "Int64",
    "optimizer": "string",
    "verdict": "string",
    "life": "Int64",
    "round": "Int64",
    "position": "Int64",
    "counts": "boolean",
    "phase": "string",
    "seconds": "Float64",
    "host_seconds": "Float64",
}


def samples(run: Run) -> pd.DataFrame:
    """Every timed step of every cell, in the order of the run, with the columns of `COLUMNS`.

    Warm-up is not among them, and a cell that was not timed has no row. `counts` says whether the
    figures use the sample (not the first step of a turn); `host_seconds`, on an accelerator, is
    what the host took to enqueue the phase, and missing elsewhere.

    Raises:
        ExportError: the lists of a cell's samples are not parallel.
    """
    frames = [frame for cell in run.cells for frame in _phases(run, cell)]
    if not frames:
        frames = [pd.DataFrame({name: [] for name in COLUMNS})]
    return pd.concat(frames, ignore_index=True).astype(COLUMNS)[list(COLUMNS)]


def _phases(run: Run, cell: Cell) -> list[pd.DataFrame]:
    counts = counting(cell)
    if not counts:
        return []
    host = cell.host_samples
    frame = pd.DataFrame(
        {
            "life": cell.origin.life,
            "round": cell.origin.round,
            "position": cell.origin.position,
            "counts": counts,
        }
    ).assign(
        run=run.id,
        workload=cell.workload,
        strategy=cell.strategy,
        topology=cell.topology,
        device=cell.device,
        dtype=cell.dtype,
        batch=cell.batch,
        threads=cell.threads,
        optimizer=cell.optimizer,
        verdict=cell.verdict,
    )
    return [
        frame.assign(
            phase=phase,
            seconds=getattr(cell.samples, phase),
            host_seconds=[math.nan] * len(frame) if host is None else getattr(host, phase),
        )
        for phase in PHASES
    ]
