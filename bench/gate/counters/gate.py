"""The gate without noise: count every cell, and compare with the golden file exactly.

Nothing here imports torch or measures a time. A worker counts on the `meta` device and trains a few
steps on the CPU for the verdicts; whatever differs is a change of code, model or torch.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from bench.gate.counters import golden
from bench.gate.counters.comparison import (
    SCHEMA,
    Comparison,
    Found,
    changed_files,
    compare,
    outcome_of,
)
from bench.gate.counters.counting import count_workload
from bench.gate.counters.golden import Entry, Golden, GoldenError, WorkloadCounts
from bench.gate.counters.jobs import jobs_of, request_for
from bench.run.crew import abreast
from bench.run.process import CellError, RefusedError
from bench.run.session import forked_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.cells import CellPlan, Plan
    from bench.gate.counters.jobs import Asked, Job
    from bench.records import Request
    from bench.run.messages import Known
    from bench.run.process import WorkerHandle
    from bench.run.progress import Progress


def carry_out(
    asked: Asked,
    path: Path,
    progress: Progress,
    *,
    update: bool = False,
    start_worker: Callable[[], WorkerHandle] | None = None,
) -> Comparison:
    """Count what was asked for and compare it with the golden file at `path`.

    With `update` the file holds the counts afterwards; entries of other versions of torch stay. It
    stays as it is where a cell has failed that it has measured.

    Raises:
        GoldenError: the golden file is not there, or cannot be read.
        StoreError: it cannot be written.
        RefusedError: the request cannot be carried out, or compared with what is there.
    """
    stored, command = golden.read(path), golden.update_command(str(path))
    if stored is None and not update:
        raise GoldenError(f"there is no golden file {path}; write one with: {command}")
    start_worker = start_worker or forked_workers(_for_preload(asked, stored))
    progress.begin("starting torch, building the workloads", 1)
    worker = start_worker()
    try:
        known: Known = _told(worker, asked, "known")
        version, own = golden.minor(known.torch), _entry(stored, known.torch)
        nearest = golden.nearest(stored, version) if stored else None
        basis = stored.torch[nearest] if stored and nearest else None
        if basis is None and not update:
            raise GoldenError(f"{path} has no entry of any torch; write one with: {command}")
        jobs = jobs_of(asked, basis, known, str(path), update=update)
        plans = [_plan(worker, job, known, asked) for job in jobs]
        if not update:
            _refuse_strategies(jobs, plans, str(path))
        # An entry of this torch needs no proof that its counting is sound: it is compared itself.
        counting = [] if own or update else list(_told(worker, asked, "check_counting"))
    finally:
        worker.end()
    found = _count(jobs, plans, start_worker, asked.cell_timeout, progress)
    exact = own is not None
    beside = _comparable(basis, jobs)
    cells = compare(found, beside, exact=exact, complete=asked.complete)
    outcome = outcome_of(cells, counting)
    if update and outcome != "failed":
        entry = _entry_with(own, basis, found, known, asked)
        others = {} if stored is None else stored.torch
        golden.write(path, Golden(golden.SCHEMA, {**others, version: entry}))
    return Comparison(
        schema=SCHEMA,
        golden=str(path),
        torch=known.torch,
        against=nearest,
        exact=exact,
        outcome=outcome,
        cells=cells,
        counting=counting,
        updated=update and outcome != "failed",
        changed_files=changed_files(found, beside),
    )


def _for_preload(asked: Asked, stored: Golden | None) -> Request:
    """All that any worker may have to import, so that the fork server does it once."""
    kept = [] if stored is None else [w for entry in stored.torch.values() for w in entry.workloads]
    workloads = asked.workloads or tuple(dict.fromkeys(kept))
    return request_for(workloads, asked.strategies)


def _entry(stored: Golden | None, torch: str) -> Entry | None:
    return None if stored is None else stored.torch.get(golden.minor(torch))


def _told(worker: WorkerHandle, asked: Asked, name: str, *arguments: object) -> Any:
    """An answer without which nothing can begin."""
    try:
        return worker.ask(name, *arguments, timeout=asked.cell_timeout)
    except RefusedError:
        raise
    except CellError as error:
        raise RefusedError(f"the request could not be planned: {error}") from error


def _plan(worker: WorkerHandle, job: Job, known: Known, asked: Asked) -> tuple[CellPlan, ...]:
    plan: Plan = _told(worker, asked, "plan", job.request(known, asked.cell_timeout))
    return plan.cells


def _refuse_strategies(
    jobs: Sequence[Job], plans: Sequence[tuple[CellPlan, ...]], path: str
) -> None:
    """Refuse strategies that were named and that the golden file has not got."""
    for job, cells in zip(jobs, plans, strict=True):
        if job.complete or job.stored is None:
            continue
        for cell in cells[1:]:  # the first is `full`, which is always there
            if cell.strategy not in job.stored.cells:
                raise RefusedError(
                    f"{path} has no cell {job.key} × {cell.strategy}; add it with: "
                    f"{golden.update_command(path)} --workload {job.spec} "
                    f"--strategy {cell.strategy_spec}"
                )


def _count(
    jobs: Sequence[Job],
    plans: Sequence[tuple[CellPlan, ...]],
    start_worker: Callable[[], WorkerHandle],
    timeout: float,
    progress: Progress,
) -> dict[str, Found]:
    progress.begin("counting", sum(map(len, plans)))
    with tempfile.TemporaryDirectory(prefix="freezebench-") as scratch:
        tasks = []
        for number, (job, cells) in enumerate(zip(jobs, plans, strict=True)):
            folder = Path(scratch, str(number))
            folder.mkdir()
            tasks.append(partial(count_workload, job, cells, str(folder), timeout, progress))
        counted = abreast(tasks, start_worker)
    return {job.key: found for job, found in zip(jobs, counted, strict=True)}


def _comparable(basis: Entry | None, jobs: Sequence[Job]) -> Entry | None:
    """The stored entry without workloads that are counted under other settings now."""
    if basis is None:
        return None
    resettled = {job.key for job in jobs if job.stored is None}
    left = {key: counts for key, counts in basis.workloads.items() if key not in resettled}
    return replace(basis, workloads=left)


def _entry_with(
    own: Entry | None, basis: Entry | None, found: dict[str, Found], known: Known, asked: Asked
) -> Entry:
    """The entry to keep: the workloads that were counted, beside those that were not asked for."""
    kept = {} if own is None else own.workloads
    counted = {key: _merged(kept.get(key), now, known) for key, now in found.items()}
    decisive = basis if asked.complete else own
    return Entry(
        torch=known.torch.partition("+")[0],
        built_in=asked.complete if decisive is None else decisive.built_in,
        workloads=counted if asked.complete else {**kept, **counted},
    )


def _merged(kept: WorkloadCounts | None, found: Found, known: Known) -> WorkloadCounts:
    """The counts of a workload, with the kept cells of strategies that were not asked for."""
    now = found.counts
    if found.complete or kept is None:
        return now
    by_name = known.strategies if kept.every_strategy else ()
    new = (spec for spec in now.strategies if spec not in (*by_name, *kept.strategies))
    return replace(
        now,
        every_strategy=kept.every_strategy,
        strategies=(*kept.strategies, *new),
        cells={**kept.cells, **now.cells},
    )
