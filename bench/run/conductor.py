"""One run from plan to record: survey every cell, then time the groups until precise enough."""

from __future__ import annotations

import random
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from msgspec.structs import replace

from bench.run.packing import Weight, pack
from bench.run.progress import Unwatched
from bench.run.race import CellInWorker, LifeReadings, live, shuffled
from bench.run.recording import with_samples_of, with_turn, with_warm_up
from bench.run.surveying import Surveyor
from bench.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.cells import CellPlan, Plan
    from bench.records import Cell, Run
    from bench.run.messages import Prediction
    from bench.run.process import WorkerHandle
    from bench.run.progress import Progress

    Key = tuple[str, str]

LEAST_LIVES = 3
MOST_LIVES = 8
"""Between how many and how few lives a group's share of the budget is cut into."""
STARTS_A_LIFE = 3
"""A life lasts at least so many times what building and warming up its cells took."""


@dataclass
class Group:
    """Cells that live together in one worker, `full` first."""

    cells: list[CellPlan]
    seconds: float = 0.0
    start_seconds: float = 0.0
    lives: int = 0
    precise: bool = False

    def life_seconds(self, share: float) -> float:
        """How long a life should last when the group has `share` seconds in all.

        Many short lives tell more about the luck of a process than few long ones, as long as they
        do not spend their time on warming up.
        """
        longest, shortest = share / LEAST_LIVES, share / MOST_LIVES
        return min(longest, max(shortest, STARTS_A_LIFE * self.start_seconds))


class Conductor:
    """Carries out a run.

    Args:
        run: the run so far: just begun, or taken up again.
        plan: its cells.
        start_worker: starts a fresh worker.
        save: keeps the run as it is now; called whenever something was measured.
        scratch: a folder for what workers hand each other while the run lasts.
        progress: is told what happens.
        now: monotonic seconds.
    """

    def __init__(
        self,
        run: Run,
        plan: Plan,
        start_worker: Callable[[], WorkerHandle],
        save: Callable[[Run], None],
        scratch: Path,
        progress: Progress | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._plan = plan
        self._start_worker = start_worker
        self._save = save
        self._progress = progress or Unwatched()
        self._surveyor = Surveyor(
            start_worker,
            str(scratch),
            run.request.cell_timeout,
            energy=plan.energy,
            at_once=plan.surveyed_at_once,
            memory_bytes=plan.memory_bytes,
            progress=self._progress,
        )
        self._now = now
        self._cells: dict[Key, Cell] = {(c.workload, c.strategy): c for c in run.cells}
        self._weights: dict[Key, Weight] = {}
        self._shuffler = random.Random(run.request.seed)

    def carry_out(self) -> Run:
        """Survey, then time; the run is saved after every step of both, and at the end.

        An interruption leaves the run saved as `interrupted` and goes on its way.
        """
        try:
            self._survey()
            stopped_by = self._time()
        except KeyboardInterrupt:
            self._keep(state="interrupted")
            raise
        return self._keep(state="done", stopped_by=stopped_by)

    def _survey(self) -> None:
        begin, spent = self._now(), self._run.surveyed_seconds
        self._progress.begin("surveying", len(self._plan.cells))
        for cells in workloads_of(self._plan).values():
            predictions = self._surveyor.predict(cells)
            self._weigh(predictions)
            missing = [cell for cell in cells if not self._is_surveyed(cell)]
            self._progress.advance(len(cells) - len(missing))
            with closing(self._surveyor.survey(missing, predictions)) as surveyed:
                for cell, found in surveyed:
                    before = self._cells.get(cell.key, found)
                    self._cells[cell.key] = with_samples_of(before, found)
                    self._keep(surveyed_seconds=spent + self._now() - begin)
                    self._progress.advance(1)

    def _weigh(self, predictions: dict[Key, Prediction]) -> None:
        for key, prediction in predictions.items():
            peak, resident = prediction.peak_bytes, prediction.resident_bytes
            if peak is not None and resident is not None:
                self._weights[key] = Weight(peak, resident)

    def _time(self) -> Literal["precision", "budget"] | None:
        """Let groups live until all are precise (`precision`) or time is spent (`budget`).

        The budget is what the survey left of the request's, and at least half of that. `None` where
        nothing could be timed.
        """
        whole = self._run.request.budget
        budget = max(whole - self._run.surveyed_seconds, whole / 2)
        groups = [
            Group(group)
            for cells in workloads_of(self._plan).values()
            if self._can_be_timed(cells[0])  # without `full` there is nothing to compare with
            for group in pack(
                [cell for cell in cells if self._can_be_timed(cell)],
                self._weights,
                self._plan.memory_bytes,
            )
        ]
        for group in groups:
            self._settle(group)
            group.lives = min(self._lives(cell) for cell in group.cells)
        self._progress.begin("timing", budget)
        self._progress.advance(self._run.timed_seconds)
        while True:
            waiting = [group for group in groups if group.cells and not group.precise]
            if not waiting:
                return "precision" if any(group.precise for group in groups) else None
            left = budget - self._run.timed_seconds
            never_lived = [group for group in waiting if group.lives == 0]
            if left <= 0 and not never_lived:
                return "budget"
            group = min(never_lived or waiting, key=lambda group: group.seconds)
            seconds = group.life_seconds(budget / len(groups))
            if not never_lived and left < min(seconds / 2, 2 * group.start_seconds):
                return "budget"
            self._let_live(group, min(seconds, max(left, 0.0)))

    def _let_live(self, group: Group, seconds: float) -> None:
        begin = reported = self._now()

        def on_round() -> None:
            nonlocal reported
            moment = self._now()
            self._progress.advance(moment - reported, group.cells[0].workload)
            reported = moment

        life = 1 + max((self._latest_life(cell) for cell in group.cells), default=0)
        readings = LifeReadings()
        worker = self._start_worker()
        try:
            live(
                [CellInWorker(worker, i, c, self._timeout) for i, c in enumerate(group.cells)],
                readings,
                seconds=seconds,
                order=shuffled(self._shuffler),
                now=self._now,
                on_round=on_round,
            )
        finally:
            worker.end()
            self._add(group, life, readings)
            spent = self._now() - begin
            group.seconds += spent
            group.start_seconds = readings.start_seconds
            group.lives += bool(readings.rounds)
            self._settle(group)
            self._run = replace(self._run, timed_seconds=self._run.timed_seconds + spent)
        self._keep()
        self._progress.advance(spent - (reported - begin))

    def _add(self, group: Group, life: int, readings: LifeReadings) -> None:
        for index, plan in enumerate(group.cells):
            cell = self._cells[plan.key]
            if index in readings.warm_ups:
                cell = with_warm_up(cell, life, readings.warm_ups[index])
            for number, turns in enumerate(readings.rounds):
                if index in turns:
                    cell = with_turn(cell, life, number, turns[index])
            if index in readings.failures:
                why = readings.failures[index]
                cell = replace(cell, verdict="failed", why=why)
                self._progress.say(f"{plan.workload} × {plan.strategy} failed: {why}")
            self._cells[plan.key] = cell
        group.cells = [c for i, c in enumerate(group.cells) if i not in readings.failures]
        if 0 in readings.failures:  # without `full` there is nothing to compare with
            group.cells = []

    def _settle(self, group: Group) -> None:
        """Bring the summaries of a group up to date, and say whether it is precise enough."""
        if not group.cells:
            return
        full = self._cells[group.cells[0].key]
        for plan in group.cells:
            cell = self._cells[plan.key]
            summary = summarize(
                cell, full, self._run.request.precision, fills=plan.fills_each_batch
            )
            self._cells[plan.key] = replace(cell, summary=summary)
        contenders = [self._cells[plan.key].summary for plan in group.cells[1:] or group.cells]
        group.precise = all(
            summary is not None and summary.precise and summary.lives >= LEAST_LIVES
            for summary in contenders
        )

    def _can_be_timed(self, plan: CellPlan) -> bool:
        cell = self._cells[plan.key]
        return cell.verdict != "failed" and cell.drift is not None

    def _is_surveyed(self, plan: CellPlan) -> bool:
        """Whether nothing is left to survey; what failed before the run was taken up is left."""
        return plan.key in self._cells and self._cells[plan.key].verdict != "failed"

    def _lives(self, plan: CellPlan) -> int:
        return len(set(self._cells[plan.key].origin.life))

    def _latest_life(self, plan: CellPlan) -> int:
        return max(self._cells[plan.key].origin.life, default=0)

    def _keep(self, **changes: Any) -> Run:
        cells = [self._cells[plan.key] for plan in self._plan.cells if plan.key in self._cells]
        self._run = replace(self._run, cells=cells, **changes)
        self._save(self._run)
        return self._run

    @property
    def _timeout(self) -> float:
        return self._run.request.cell_timeout


def workloads_of(plan: Plan) -> dict[str, list[CellPlan]]:
    """The cells of a plan by workload, in order."""
    found: dict[str, list[CellPlan]] = {}
    for cell in plan.cells:
        found.setdefault(cell.workload, []).append(cell)
    return found
