"""A run from a request, or taken up again: wires plan, folder, workers and conductor."""

from __future__ import annotations

import re
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bench import store
from bench.records import SCHEMA, Record, Request, Run
from bench.run.conductor import Conductor
from bench.run.process import CellError, ForkedWorker, RefusedError, fork_server
from bench.run.project import project

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.cells import Plan
    from bench.run.process import WorkerHandle
    from bench.run.progress import Progress


def begin(
    request: Request,
    results: Path,
    progress: Progress,
    start_worker: Callable[[], WorkerHandle] | None = None,
) -> tuple[store.RunFolder, Callable[[], Run]]:
    """A new run's folder, and the call that carries it out.

    Raises:
        RefusedError: the request cannot be run.
        StoreError: the results folder cannot be written.
    """
    start_worker = start_worker or forked_workers(request)
    plan = _plan(request, start_worker, progress)
    folder, run_id = store.create(results, plan.machine.name)
    folder.lock()
    run = Run(
        schema=SCHEMA,
        id=run_id,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        state="running",
        stopped_by=None,
        surveyed_seconds=0.0,
        timed_seconds=0.0,
        request=without_folders(request),
        machine=plan.machine,
        project=project(),
        cells=[],
    )
    folder.save(run)
    return folder, partial(_carry_out, run, plan, folder, start_worker, progress)


def resume(
    folder: store.RunFolder,
    run: Run,
    progress: Progress,
    start_worker: Callable[[], WorkerHandle] | None = None,
) -> Callable[[], Run]:
    """The call that carries out what is left of a run.

    Raises:
        RefusedError: this machine, or its torch, is not the one that the run began on.
    """
    folder.lock()
    start_worker = start_worker or forked_workers(run.request)
    plan = _plan(run.request, start_worker, progress)
    if difference := _difference(run, plan):
        raise RefusedError(
            f"the run {run.id} cannot go on here: {difference}; "
            "a run never mixes two machines, codes or workloads, so begin a new one"
        )
    run = replace(run, state="running")
    return partial(_carry_out, run, plan, folder, start_worker, progress)


def without_folders(request: Request) -> Request:
    """The request as it is recorded: files below this folder relative to it, others by name.

    A record tells nothing of the machine's folders. A run with a file from elsewhere is taken up
    again in that file's folder.
    """

    def portable(spec: str) -> str:
        file, colon, name = spec.rpartition(":")
        if not file.endswith(".py"):
            return spec
        path, here = Path(file).resolve(), Path.cwd()
        short = path.relative_to(here) if path.is_relative_to(here) else Path(path.name)
        return f"{short}{colon}{name}"

    return replace(
        request,
        workloads=tuple(portable(spec) for spec in request.workloads),
        strategies=tuple(portable(spec) for spec in request.strategies),
    )


def forked_workers(request: Request) -> Callable[[], WorkerHandle]:
    """Starts workers from a fork server that has imported what the request's workloads need."""
    return partial(ForkedWorker, fork_server(preload_for(request)))


QUIET = ("torchvision", "transformers", "timm", "sklearn", "pandas")
"""Packages that start no thread and touch no device on import."""


def preload_for(request: Request) -> list[str]:
    """Packages that every worker of this request would import for itself otherwise.

    Quiet ones alone, since a worker forked after a thread pool was started would hang. Whatever
    else a user's file imports, each worker imports for itself.
    """
    wanted = ["bench.workloads"]
    builtin = not request.workloads
    for spec in (*request.workloads, *request.strategies):
        file, _, name = spec.rpartition(":")
        if file == "torchvision":
            wanted.append("torchvision")
        elif file.endswith(".py"):
            wanted += _quiet_imports_of(Path(file))
        builtin |= name in ("policy", "nested_policy", "adapter", "middle")
    if builtin:
        wanted.append("sklearn.datasets")
    return list(dict.fromkeys(wanted))


def _quiet_imports_of(file: Path) -> list[str]:
    try:
        text = file.read_text()
    except (OSError, ValueError):
        return []  # whoever builds the workload says what is wrong with the file
    return [
        name for name in QUIET if re.search(rf"^\s*(import|from)\s+{name}\b", text, re.MULTILINE)
    ]


def _plan(request: Request, start_worker: Callable[[], WorkerHandle], progress: Progress) -> Plan:
    progress.begin("starting torch, building the workloads", 1)
    worker = start_worker()
    try:
        plan: Plan = worker.ask("plan", request, timeout=request.cell_timeout)
    except RefusedError:
        raise
    except CellError as error:
        raise RefusedError(f"the request could not be planned: {error}") from error
    finally:
        worker.end()
    return plan


def _carry_out(
    run: Run,
    plan: Plan,
    folder: store.RunFolder,
    start_worker: Callable[[], WorkerHandle],
    progress: Progress,
) -> Run:
    with tempfile.TemporaryDirectory(prefix="freezebench-") as scratch:
        conductor = Conductor(run, plan, start_worker, folder.save, Path(scratch), progress)
        return conductor.carry_out()


def _difference(run: Run, plan: Plan) -> str:
    """What is not as it was when the run began; empty if nothing."""
    differences = _differing_fields(run.machine, plan.machine)
    differences += _differing_fields(run.project, project(), but=("dirty",))
    planned = {cell.key: cell for cell in plan.cells}
    for cell in run.cells:
        now = planned.get((cell.workload, cell.strategy))
        name = f"{cell.workload} × {cell.strategy}"
        if now is None:
            differences.append(f"{name} is no longer there")
        elif cell.fingerprint != now.fingerprint:
            differences.append(f"the model, batches or file of {name} have changed")
        elif (cell.batch, cell.topology) != (now.batch, now.topology):
            differences.append(
                f"{name} had batch {cell.batch} and topology {cell.topology}, and has "
                f"{now.batch} and {now.topology}"
            )
    return "; ".join(differences)


def _differing_fields(then: Record, now: Record, but: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{name} was {getattr(then, name)!r} and is {getattr(now, name)!r}"
        for name in then.__struct_fields__
        if name not in but and getattr(then, name) != getattr(now, name)
    ]
