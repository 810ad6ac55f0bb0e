"""Everything about cells but their time, asked of workers: bytes, counters, drift, energy.

Counts and bytes are a process's own, so on an accelerator, where each worker takes a second or two
to come to life, several cells are surveyed at once. One that fails beside others is tried again
alone, since they share memory. Energy, the whole machine's, is measured one cell after the other.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bench.cells import EVAL
from bench.records import Midway
from bench.run.crew import Crew, as_done
from bench.run.messages import Prediction
from bench.run.process import CellError
from bench.run.recording import new_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from bench.cells import CellPlan
    from bench.records import Cell, Energy
    from bench.run.process import WorkerHandle
    from bench.run.progress import Progress

    Key = tuple[str, str]

PASSES = 3
"""Peaks of a step that a survey may need at a time: a model trains beside copies of what it was."""
CONTEXT_BYTES = 2**30
"""What a process takes of an accelerator before it has a tensor there, and some more."""


class Surveyor:
    """Surveys the cells of one workload after the other.

    Args:
        start_worker: starts a fresh worker.
        scratch: a folder in which workers leave the references of a workload.
        timeout: the longest silence of a worker, in seconds.
        energy: also ask what a step takes from the socket, one cell at a time.
        at_once: the most cells that are surveyed at the same time.
        memory_bytes: that they share; unknown is not enough for two.
        progress: is told what begins, and what fails and is no reason to fail the cell.
    """

    def __init__(
        self,
        start_worker: Callable[[], WorkerHandle],
        scratch: str,
        timeout: float,
        *,
        energy: bool,
        at_once: int,
        memory_bytes: int | None,
        progress: Progress,
    ) -> None:
        self._start_worker = start_worker
        self._scratch = scratch
        self._timeout = timeout
        self._asks_energy = energy
        self._at_once = 1 if energy else at_once
        self._memory_bytes = memory_bytes
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
    ) -> Generator[tuple[CellPlan, Cell], None, None]:
        """What is found of cells of one workload, as each is done; to be closed."""
        alone = list(cells)
        if why := self._measure_references(cells):
            yield from ((cell, replace(new_cell(cell), why=why)) for cell in cells)
            return
        if (at_once := self._that_fit(predictions.values())) > 1:
            tasks = [partial(self._bytes_and_drift, cell, predictions[cell.key]) for cell in cells]
            with closing(as_done(tasks, self._start_worker, at_once)) as results:
                for number, found in results:
                    if found.verdict != "failed":
                        alone.remove(cells[number])
                        yield cells[number], found
        for cell in alone:
            found = self._bytes_and_drift(cell, predictions[cell.key], Crew(self._start_worker))
            yield cell, replace(found, energy=self._energy(cell, found))

    def _that_fit(self, predictions: Iterable[Prediction]) -> int:
        """How many cells at once."""
        peaks = [prediction.peak_bytes for prediction in predictions]
        if self._memory_bytes is None or not peaks:
            return 1
        room = 0
        for peak in peaks:
            if peak is None:
                return 1
            room = max(room, PASSES * peak + CONTEXT_BYTES)
        return max(1, min(self._at_once, self._memory_bytes // room))

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

    def _bytes_and_drift(self, plan: CellPlan, prediction: Prediction, crew: Crew) -> Cell:
        """Memory first, while the worker is fresh; then drift, for both moments of the freeze."""
        cell = new_cell(plan)
        self._progress.advance(0, f"{plan.workload} × {plan.strategy}")
        worker = crew.start()
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
            crew.end(worker)

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
