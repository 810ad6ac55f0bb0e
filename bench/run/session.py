"""A run from a request, or taken up again: wires plan, folder, workers and conductor."""

from __future__ import annotations

import ast
import tempfile
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bench import store
from bench.records import SCHEMA, Machine, Request, Run
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
    run = Run(
        schema=SCHEMA,
        id=run_id,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        state="running",
        stopped_by=None,
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
    start_worker = start_worker or forked_workers(run.request)
    plan = _plan(run.request, start_worker, progress)
    if difference := _difference(run.machine, plan.machine):
        raise RefusedError(
            f"the run {run.id} cannot go on here: {difference}; "
            "times of two machines are never mixed in a run, so begin a new one"
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


def preload_for(request: Request) -> list[str]:
    """Packages that every worker of this request would import for itself otherwise."""
    wanted = ["bench.workloads"]
    for spec in (*request.workloads, *request.strategies):
        if spec.startswith("torchvision:"):
            wanted.append("torchvision")
        elif ".py:" in spec:
            wanted += _imports_of(Path(spec.rsplit(":", 1)[0]))
    if not request.workloads or any(":" not in spec for spec in request.workloads):
        wanted.append("sklearn.datasets")
    return list(dict.fromkeys(wanted))


def _imports_of(file: Path) -> list[str]:
    """Installed packages that a file imports at its top; its own neighbours are left to it."""
    try:
        body = ast.parse(file.read_text()).body
    except (OSError, SyntaxError, ValueError):
        return []  # whoever builds the workload says what is wrong with the file
    names = [
        name
        for statement in body
        for name in (
            [alias.name for alias in statement.names]
            if isinstance(statement, ast.Import)
            else [statement.module]
            if isinstance(statement, ast.ImportFrom) and statement.module and not statement.level
            else []
        )
    ]
    return [name for name in names if _is_installed(name.split(".")[0], beside=file)]


def _is_installed(package: str, beside: Path) -> bool:
    neighbour = beside.parent / package
    if neighbour.exists() or neighbour.with_suffix(".py").exists():
        return False
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _plan(request: Request, start_worker: Callable[[], WorkerHandle], progress: Progress) -> Plan:
    progress.begin("starting torch, building the workloads", 1)
    worker = start_worker()
    try:
        plan: Plan = worker.ask("plan", request, timeout=request.cell_timeout)
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


def _difference(then: Machine, now: Machine) -> str:
    return "; ".join(
        f"{name} was {getattr(then, name)!r} and is {getattr(now, name)!r}"
        for name in then.__struct_fields__
        if getattr(then, name) != getattr(now, name)
    )
