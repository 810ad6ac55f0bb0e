"""One life of a gate: fresh workers of both sides take turns, in blocks of mirrored rounds."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from bench.gate.time.neighbours import Usage, idlest_processors
from bench.gate.time.record import ARMS, Life
from bench.gate.time.turns import recorded_turns
from bench.run.process import CellError
from bench.run.race import (
    LifeReadings,
    get_ready,
    take_turns,
    turn_steps,
    typical_seconds,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from bench.gate.time.record import Terms
    from bench.gate.time.sides import Side, Stable
    from bench.gate.time.wire import PlannedCell
    from bench.run.messages import TurnReading, WarmUpReading
    from bench.run.process import WorkerHandle


class SideFailedError(Exception):
    """A cell of one side cannot run.

    Attributes:
        label: `base` or `head`.
    """

    def __init__(self, label: str, cell: str, why: str) -> None:
        super().__init__(f"{cell} failed in the {label}: {why}")
        self.label = label


@dataclass
class Racer:
    """One arm of one cell, as a contestant of the race.

    Args:
        worker: of its side.
        index: by which the worker holds the cell.
        cell: as its side has planned it.
        slow_down: fractions of its phases by which it is slowed; `None` for not at all.
        timeout: the longest silence, in seconds.
        resident: bytes that the worker had after each turn; all of its cells add to one list.
    """

    worker: WorkerHandle
    index: int
    cell: PlannedCell
    slow_down: dict[str, float] | None
    timeout: float
    resident: list[int]
    threads: set[int | None] = field(default_factory=set)

    def get_ready(self) -> WarmUpReading:
        """Build and warm up the cell, and prepare its slow-down."""
        self.worker.ask("ready", self.index, self.cell.plan, timeout=self.timeout)
        reading: WarmUpReading = self.worker.ask("warm_up", self.index, timeout=self.timeout)
        if self.slow_down is not None:
            times = msgspec.to_builtins(reading.times)
            self.worker.ask("slow_down", self.index, self.slow_down, times, timeout=self.timeout)
        return reading

    def turn(self, steps: int) -> TurnReading:
        """Take a turn."""
        name = "turn" if self.slow_down is None else "slowed_turn"
        reading: TurnReading = self.worker.ask(name, self.index, steps, timeout=self.timeout)
        self.threads.add(reading.threads)
        if reading.resident_bytes is not None:
            self.resident.append(reading.resident_bytes)
        return reading


def mirrored_blocks(cells: int, shuffler: random.Random) -> Callable[[list[int]], list[int]]:
    """Whose turn it is: two rounds a block, the second in the reverse order of the first (ABBA).

    What drifts evenly while a block lasts takes from all arms alike. Each block is of one cell; the
    cells have theirs in turn.
    """
    arms = len(ARMS)
    pending: list[int] = []
    blocks = 0

    def order(_places: list[int]) -> list[int]:
        nonlocal pending, blocks
        if pending:
            mirrored, pending = pending[::-1], []
            return mirrored
        first = (blocks % cells) * arms
        blocks += 1
        pending = shuffler.sample(range(first, first + arms), arms)
        return pending

    return order


@dataclass(frozen=True)
class Trial:
    """All that the lives of a gate have in common.

    Args:
        base, head: the sides.
        cells: that both have planned: the base's plan of it and the head's.
        harnesses: the folder that each side's freezebench lies in, by label.
        stable: forks the workers.
        terms: of the gate.
        timeout: the longest silence of a worker, in seconds.
        shuffler: of the order of turns.
        now: monotonic seconds.
        head_slow_down: fractions by which the head is slowed; for studying the gate itself.
    """

    base: Side
    head: Side
    cells: Sequence[tuple[PlannedCell, PlannedCell]]
    harnesses: Mapping[str, str]
    stable: Stable
    terms: Terms
    timeout: float
    shuffler: random.Random
    now: Callable[[], float] = time.monotonic
    head_slow_down: dict[str, float] | None = None

    def renew(self) -> None:
        """From now on workers are forked from fresh processes."""
        self.stable.renew()

    def life(self, number: int, purpose: Literal["trial", "confirmation"], seconds: float) -> Life:
        """One life that races for so many seconds, but for a block of each cell at least.

        Raises:
            SideFailedError: a cell raised, or its worker died or hung.
            UntrustworthyError: a clock went backwards.
        """
        begin = self.now()
        if self.base.python != self.head.python:
            self.stable.renew()  # two forkers: each life has to have other ones
        usage = Usage()
        readings = LifeReadings()
        workers: dict[str, WorkerHandle] = {}
        try:
            # In a new order each life: whoever is built first is a little faster ever after.
            arms = self.shuffler.sample(ARMS, len(ARMS))
            for arm in arms:
                workers[arm] = self.stable.fork(self._side_of(arm))
            self._pin(workers)
            racers = self._racers(workers)
            everyone = frozenset(range(len(racers)))
            places = [
                cell * len(ARMS) + ARMS.index(arm)
                for cell in range(len(self.cells))
                for arm in arms
            ]
            able = get_ready(racers, readings, now=self.now, essential=everyone, places=places)
            take_turns(
                racers,
                {place: self._steps_of(place, readings) for place in able},
                readings,
                until=self.now() + seconds,
                order=mirrored_blocks(len(self.cells), self.shuffler),
                now=self.now,
                essential=everyone,
                least_rounds=2 * len(self.cells),
            )
            self._complain(readings, racers, workers)
            others, stolen = usage.since()
        finally:
            for worker in workers.values():
                worker.end()
        return Life(
            number=number,
            purpose=purpose,
            seconds=self.now() - begin,
            start_seconds=readings.start_seconds,
            cells=recorded_turns([cell for cell, _ in self.cells], readings),
            others=others,
            stolen=stolen,
            grown_bytes=_grown(racers),
            repeated=readings.repeated,
        )

    def _steps_of(self, place: int, readings: LifeReadings) -> int:
        """The steps of a turn, the same for all arms of a cell.

        Slow ones are taken singly. Of quick ones so many that the turn is long beside what a turn
        begins with: caches that the other arms have filled.
        """
        first = place // len(ARMS) * len(ARMS)
        arms = [readings.warm_ups[arm] for arm in range(first, first + len(ARMS))]
        slowest = max(typical_seconds(warm_up) for warm_up in arms)
        return turn_steps(slowest, least=self.terms.turn_steps, slow=1)

    def _side_of(self, arm: str) -> Side:
        return self.head if _label_of(arm) == "head" else self.base

    def _pin(self, workers: dict[str, WorkerHandle]) -> None:
        """All workers to the same processors, since they never work at the same time.

        Then the sides have the same neighbours and the same luck with them.
        """
        chosen = idlest_processors(self.cells[0][0].threads)
        for arm, worker in workers.items():
            if chosen:
                self._ask_of_all_cells(arm, worker, "pin", chosen)

    def _ask_of_all_cells(self, arm: str, worker: WorkerHandle, name: str, argument: Any) -> Any:
        """What is asked of a worker and not of one cell; where it fails, none of them can go on."""
        try:
            return worker.ask(name, argument, timeout=self.timeout)
        except CellError as error:
            raise SideFailedError(_label_of(arm), "every cell", str(error)) from error

    def _racers(self, workers: dict[str, WorkerHandle]) -> list[Racer]:
        slow_downs = {
            "head": self.head_slow_down,
            "slowed": dict.fromkeys(("forward", "backward", "update"), self.terms.slow_down),
        }
        resident: dict[str, list[int]] = {arm: [] for arm in ARMS}
        return [
            Racer(
                workers[arm],
                number,
                in_head if arm == "head" else in_base,
                slow_downs.get(arm),
                self.timeout,
                resident[arm],
            )
            for number, (in_base, in_head) in enumerate(self.cells)
            for arm in ARMS
        ]

    def _complain(
        self, readings: LifeReadings, racers: list[Racer], workers: dict[str, WorkerHandle]
    ) -> None:
        for place, why in readings.failures.items():
            cell, arm = self.cells[place // len(ARMS)][0], ARMS[place % len(ARMS)]
            raise SideFailedError(_label_of(arm), cell.name, why)
        for place, racer in enumerate(racers):
            cell, arm = self.cells[place // len(ARMS)][0], ARMS[place % len(ARMS)]
            if changed := racer.threads - {cell.threads, None}:
                raise SideFailedError(
                    _label_of(arm),
                    cell.name,
                    f"its code set torch to {changed.pop()} threads in the middle, and "
                    f"{cell.threads} were agreed; take torch.set_num_threads out of it, or ask for "
                    "that many with --threads",
                )
        if readings.rounds:
            self._refuse_mixed_code(workers)

    def _refuse_mixed_code(self, workers: dict[str, WorkerHandle]) -> None:
        """Neither side may have imported the other's files; an editable installation does that."""
        for label, against in (("base", "head"), ("head", "base")):
            mine, other = self._side_of(label).checkout, self._side_of(against).checkout
            if mine.root == other.root:
                continue  # one folder against itself
            own = [f"{self.harnesses[label]}{os.sep}"]
            if not other.root.is_relative_to(mine.root):
                own.append(f"{mine.root}{os.sep}")  # which may lie in the other's
            files = [
                file
                for file in self._ask_of_all_cells(
                    label, workers[label], "modules_below", str(other.root)
                )
                if not file.startswith(tuple(own))
            ]
            if files:
                inside = os.path.relpath(files[0], other.root)
                raise SideFailedError(
                    label,
                    "every cell",
                    f"it imported {inside} from the {other.label}'s folder, so it would have "
                    "measured the wrong code; the package is probably installed in editable mode, "
                    f"or on PYTHONPATH: give the {label} an environment of its own "
                    f"(--{label}-python), or put the package where it is found first (the "
                    "checkout's top folder, or src/)",
                )


def _label_of(arm: str) -> str:
    """The side that an arm comes from."""
    return "head" if arm == "head" else "base"


def _grown(racers: list[Racer]) -> dict[str, int]:
    """Growth of each worker's resident size; what it has given back is no growth."""
    return {
        arm: max(0, racer.resident[-1] - racer.resident[0])
        for arm, racer in zip(ARMS, racers, strict=False)
        if racer.resident
    }
