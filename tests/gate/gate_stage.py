"""Scripted sides on a clock that only they move, and lives whose effects are known."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.gate.time.checkout import Checkout
from bench.gate.time.record import ARMS, ArmTurns, CellTurns, Life
from bench.gate.time.sides import Side
from bench.gate.time.wire import PlannedCell
from bench.measure.clock import StepTimes
from bench.run.messages import TurnReading, WarmUpReading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.gate.time.record import Step

SECOND = 1_000_000_000
BASE_STEP = (SECOND, 2 * SECOND, SECOND)
"""So long that rounding to nanoseconds is far below every margin."""


def side(label: str) -> Side:
    """A side whose folder nobody looks into."""
    root = Path("/sides") / label
    return Side(Checkout(label, root, root, label, None, dirty=False), Path("python"))


def planned(workload: str = "w", strategy: str = "s", *, of: str = "base") -> PlannedCell:
    return PlannedCell(
        workload=workload,
        strategy=strategy,
        topology="front",
        device="cpu",
        dtype="float32",
        batch=4,
        threads=1,
        optimizer="adam",
        plan={"workload": workload, "of": of},
    )


@dataclass
class GateStage:
    """Forks workers that only say what they were asked.

    `seconds` is what a step of an arm takes (1 s if not given), `throttled` how many of its turns
    find the device throttled, `drift` the seconds that each turn's steps take longer than those of
    the turn before. `on` maps a request, such as `turn head w`, to an exception that is raised
    instead of an answer.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    drift: float = 0.0
    on: dict[str, BaseException] = field(default_factory=dict)
    throttled: dict[str, int] = field(default_factory=dict)
    threads: dict[str, int] = field(default_factory=dict)
    resident: dict[str, Sequence[int]] = field(default_factory=dict)
    modules: dict[str, list[str]] = field(default_factory=dict)
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    forked_from: list[str] = field(default_factory=list)
    now: float = 0.0
    alive: int = 0
    turns: int = 0

    def clock(self) -> float:
        return self.now

    def renew(self) -> None:
        self.heard.append("renew")

    def fork(self, side: Side) -> ScriptedSide:
        arm = ARMS[len(self.forked_from) % len(ARMS)]
        self.forked_from.append(side.checkout.label)
        self.alive += 1
        return ScriptedSide(self, arm)

    def story(self, *words: str) -> list[str]:
        """What was heard that begins with one of these words."""
        return [line for line in self.heard if line.split()[0] in words]


class ScriptedSide:
    def __init__(self, stage: GateStage, arm: str) -> None:
        self._stage = stage
        self._arm = arm
        self._cells: dict[int, str] = {}
        self._resident = itertools.chain(stage.resident.get(arm, ()), itertools.repeat(1000))
        self._ended = False

    def ask(self, name: str, *arguments: Any, timeout: float | None = None) -> Any:
        assert timeout is not None, f"{name} may wait for ever"
        stage = self._stage
        if name == "ready":
            self._cells[arguments[0]] = arguments[1]["workload"]
            stage.heard.append(f"plan of {arguments[1]['of']} for {self._arm}")
        detail = self._cells.get(arguments[0], "") if isinstance(arguments[0], int) else ""
        if name == "slow_down":
            assert isinstance(arguments[2], dict), "times walk over a wire"
            detail += f" {arguments[1]}"
        if name == "pin":
            detail = str(arguments[0])
        line = f"{name} {self._arm} {detail}".strip()
        stage.heard.append(line)
        if line in stage.on:
            raise stage.on[line]
        if name in ("warm_up", "turn", "slowed_turn"):
            return self._train(name, 1 if name == "warm_up" else arguments[1])
        return stage.modules.get(self._arm, []) if name == "modules_below" else None

    def _train(self, name: str, steps: int) -> TurnReading | WarmUpReading:
        stage = self._stage
        step = stage.seconds.get(self._arm, 1.0)
        if name != "warm_up":
            stage.turns += 1
            step += stage.drift * stage.turns
        stage.now += abs(step) * steps
        times = _times(step, steps)
        if name == "warm_up":
            return WarmUpReading(times, [True] * steps)
        left = stage.throttled.get(self._arm, 0)
        stage.throttled[self._arm] = max(0, left - 1)
        return TurnReading(
            times,
            None,
            wall_seconds=step * steps,
            cpu_seconds=step * steps,
            involuntary_switches=0,
            cpu_times=_times(stage.cpu_seconds.get(self._arm, step), steps),
            voluntary_switches=0,
            threads=stage.threads.get(self._arm, 1),
            resident_bytes=next(self._resident),
            throttled=left > 0,
        )

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._stage.alive -= 1


def _times(step: float, steps: int) -> StepTimes:
    return StepTimes(
        forward=[step / 4] * steps,
        backward=[step / 2] * steps,
        update=[step / 4] * steps,
        total=[step] * steps,
    )


def turns(logs: Sequence[float], base: Step = BASE_STEP, steps: int = 1) -> list[list[Step]]:
    """Turns of equal steps, each `exp(log)` times as long as `base`."""
    scaled = [tuple(round(phase * math.exp(log)) for phase in base) for log in logs]
    return [[step] * steps for step in scaled]  # type: ignore[misc]


def make_cell_turns(
    levels: Mapping[str, float | Sequence[float]],
    *,
    blocks: int = 1,
    base: Step = BASE_STEP,
    waits: Mapping[str, Sequence[int | None]] | None = None,
    cpu: bool = True,
    workload: str = "w",
) -> CellTurns:
    """One cell; the logarithm of an arm's times over `base`: one level, or turn by turn."""
    arms = {}
    for arm in ARMS:
        level = levels.get(arm, 0.0)
        logs = [level] * (2 * blocks) if isinstance(level, float) else list(level)
        taken = turns(logs, base)
        arms[arm] = ArmTurns(
            wall=taken,
            cpu=taken if cpu else None,
            waits=list((waits or {}).get(arm, [0] * len(logs))),
        )
    return CellTurns(workload=workload, strategy="s", arms=arms)


def make_life(
    head: float = 0.0,
    again: float = 0.0,
    slowed: float = math.log(1.1),
    *,
    number: int = 1,
    purpose: Any = "trial",
    seconds: float = 4.0,
    others: float | None = 0.0,
    stolen: float | None = 0.0,
    **cell: Any,
) -> Life:
    """A life of one cell with these effects, exactly: `head` and `slowed` over both bases."""
    levels = {"head": head + again / 2, "again": again, "slowed": slowed + again / 2}
    return Life(
        number=number,
        purpose=purpose,
        seconds=seconds,
        start_seconds=0.5,
        cells=[make_cell_turns(levels, **cell)],
        others=others,
        stolen=stolen,
    )


@dataclass
class Script:
    """Lives that are written down beforehand, each `seconds` long; `renewal` seconds a renewal.

    `lives` makes the next life from its number and purpose, or raises.
    """

    lives: Callable[[int, str], Life]
    seconds: float = 4.0
    renewal: float = 0.0
    heard: list[str] = field(default_factory=list)
    now: float = 0.0

    def clock(self) -> float:
        return self.now

    def renew(self) -> None:
        self.heard.append("renew")
        self.now += self.renewal

    def life(self, number: int, purpose: Any, seconds: float) -> Life:
        self.heard.append(f"{purpose} {number}")
        self.now += self.seconds
        return self.lives(number, purpose)
