"""Everything about a cell but its time, once for all the rows of a session that share it."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bench.cells import EVAL
from bench.pytest_plugin.asked import CELL_TIMEOUT
from bench.records import Counters, Dtype, Memory, Midway, Optimizer, Record, Verdict
from bench.run.process import CellError
from bench.run.session import forked_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from bench.cells import CellPlan, Plan
    from bench.records import Request


class Found(Record, frozen=True):
    """What was found of a cell beside its time; this is also what goes into `extra_info`.

    `verdict`, `why` and `midway` are absent with `drift=False`. Memory is in bytes.
    """

    workload: str
    strategy: str
    topology: str
    device: str
    dtype: Dtype
    batch: int
    threads: int
    optimizer: Optimizer
    torch: str
    memory: Memory
    counters: Counters
    verdict: Verdict | None = None
    why: str | None = None
    midway: Midway | None = None


class Surveyor:
    """Plans and surveys cells, each once.

    Args:
        scratch: a folder for the reference updates, as long as the session.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._plans: dict[Request, Plan] = {}
        self._found: dict[tuple[CellPlan, bool], Found] = {}
        self._references: dict[tuple[CellPlan, bool], Path] = {}

    @contextlib.contextmanager
    def worker(self, request: Request) -> Iterator[Callable[..., Any]]:
        """A fresh worker to ask; it is ended with the block.

        The first one of a session also starts the fork server, which imports torch.
        """
        worker = forked_workers(request)()
        try:
            yield partial(worker.ask, timeout=CELL_TIMEOUT)
        finally:
            worker.end()

    def plan(self, request: Request) -> CellPlan:
        """The cell of a request for one workload and one strategy.

        Raises:
            RefusedError: there is no such thing, or it cannot be built.
        """
        return self._plan(request).cells[-1]  # `full` is always there, and first

    def survey(self, request: Request, *, drift: bool) -> Found:
        """Memory and counters of a request's cell; with `drift` also its verdicts.

        Raises:
            CellError: it cannot be surveyed.
        """
        cell = self.plan(request)
        if (cell, drift) not in self._found:
            self._found[cell, drift] = self._survey(cell, request, drift=drift)
        return self._found[cell, drift]

    def _plan(self, request: Request) -> Plan:
        if request not in self._plans:
            with self.worker(request) as ask:
                self._plans[request] = ask("plan", request)
        return self._plans[request]

    def _survey(self, cell: CellPlan, request: Request, *, drift: bool) -> Found:
        """Memory first, in a fresh worker; then drift, for both moments of the freeze."""
        with self.worker(request) as ask:
            prediction = ask("predict", cell)
        folder = self._reference(cell, request) if drift else None
        with self.worker(request) as ask:
            findings = ask("measure_memory", cell, prediction)
            found = Found(
                workload=cell.workload,
                strategy=cell.strategy,
                topology=cell.topology,
                device=cell.device,
                dtype=cell.dtype,
                batch=cell.batch,
                threads=cell.threads,
                optimizer=cell.optimizer,
                torch=self._plan(request).machine.torch,
                memory=findings.memory,
                counters=findings.counters,
            )
            if folder is None:
                return found
            fresh: Midway = ask("measure_drift", cell, str(folder), False)
            try:
                midway: Midway = ask("measure_drift", cell, str(folder), True)
            except CellError as error:
                midway = Midway(verdict="failed", why=str(error), drift=None)
            return replace(found, verdict=fresh.verdict, why=fresh.why, midway=midway)

    def _reference(self, cell: CellPlan, request: Request) -> Path:
        """The folder of the reference updates of a cell, which it shares with other strategies."""
        in_eval = cell.strategy_spec.endswith(EVAL)
        shared = replace(
            cell, strategy="", strategy_spec="", fills_each_batch=False, fingerprint=""
        )
        if (shared, in_eval) not in self._references:
            folder = self._scratch / f"reference-{len(self._references)}"
            folder.mkdir()
            with self.worker(request) as ask:
                ask("measure_reference", cell, str(folder), in_eval)
            self._references[shared, in_eval] = folder
        return self._references[shared, in_eval]
