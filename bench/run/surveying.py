"""Everything about cells but their time, asked of workers: bytes, counters, drift, energy."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bench.cells import EVAL
from bench.records import Midway
from bench.run.messages import Prediction
from bench.run.process import CellError
from bench.run.recording import new_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.cells import CellPlan
    from bench.records import Cell, Energy
    from bench.run.process import WorkerHandle
    from bench.run.progress import Progress

    Key = tuple[str, str]


class Surveyor:
    """Surveys the cells of one workload after the other.

    Args:
        start_worker: starts a fresh worker.
        scratch: a folder in which workers leave the references of a workload.
        timeout: the longest silence of a worker, in seconds.
        energy: also ask what a step takes from the socket.
        progress: is told what begins, and what fails and is no reason to fail the cell.
    """

    def __init__(
        self,
        start_worker: Callable[[], WorkerHandle],
        scratch: str,
        timeout: float,
        *,
        energy: bool,
        progress: Progress,
    ) -> None:
        self._start_worker = start_worker
        self._scratch = scratch
        self._timeout = timeout
        self._asks_energy = energy
        self._progress = progress

    def predict(self, cells: Sequence[CellPlan]) -> dict[Key, Prediction]:
        """Predictions of one workload's cells, all from one worker: `meta` computes nothing."""
        predictions: dict[Key, Prediction] = {}
        worker = self._start_worker()
        try:
            for cell in cells:
                try:
                    prediction: Prediction = worker.ask("predict", cell, timeout=self._timeout)
                except CellError as error:
                    prediction = Prediction(why_absent=str(error))
                    if error.worker_lost:
                        worker.end()
                        worker = self._start_worker()
                predictions[cell.key] = prediction
        finally:
            worker.end()
        return predictions

    def survey(
        self, cells: Sequence[CellPlan], predictions: dict[Key, Prediction]
    ) -> Iterator[tuple[CellPlan, Cell]]:
        """What is found of cells of one workload, as each is done."""
        without_reference = self._measure_references(cells)
        for cell in cells:
            if without_reference:
                yield cell, replace(new_cell(cell), why=without_reference)
            else:
                self._progress.advance(0, f"{cell.workload} × {cell.strategy}")
                yield cell, self._survey(cell, predictions[cell.key])

    def _measure_references(self, cells: Sequence[CellPlan]) -> str:
        """Keep the references that `cells` of one workload need; why that failed, if it did."""
        for in_eval in sorted({cell.strategy.endswith(EVAL) for cell in cells}):
            worker = self._start_worker()
            try:
                arguments = (cells[0], self._scratch, in_eval)
                worker.ask("measure_reference", *arguments, timeout=self._timeout)
            except CellError as error:
                return f"the reference training failed: {error}"
            finally:
                worker.end()
        return ""

    def _survey(self, plan: CellPlan, prediction: Prediction) -> Cell:
        found = self._bytes_and_drift(plan, prediction)
        return replace(found, energy=self._energy(plan, found))

    def _bytes_and_drift(self, plan: CellPlan, prediction: Prediction) -> Cell:
        """Memory first, while the worker is fresh; then drift, for both moments of the freeze."""
        cell = new_cell(plan)
        worker = self._start_worker()
        ask = partial(worker.ask, timeout=self._timeout)
        try:
            findings = ask("measure_memory", plan, prediction)
            cell = replace(cell, memory=findings.memory, counters=findings.counters)
            fresh: Midway = ask("measure_drift", plan, self._scratch, False)
            cell = replace(cell, verdict=fresh.verdict, why=fresh.why, drift=fresh.drift)
            try:
                midway: Midway = ask("measure_drift", plan, self._scratch, True)
            except CellError as error:
                midway = Midway(verdict="failed", why=str(error), drift=None)
            return replace(cell, midway=midway)
        except CellError as error:
            return replace(cell, verdict="failed", why=str(error))
        finally:
            worker.end()

    def _energy(self, plan: CellPlan, found: Cell) -> Energy | None:
        """Joules a step, of a cell that has one, where the machine tells; a failure is no more."""
        if not self._asks_energy or found.verdict == "failed" or found.drift is None:
            return None
        worker = self._start_worker()
        try:
            energy: Energy = worker.ask("measure_energy", plan, timeout=self._timeout)
        except CellError as error:
            self._progress.say(f"no energy of {plan.workload} × {plan.strategy}: {error}")
            return None
        finally:
            worker.end()
        return energy
