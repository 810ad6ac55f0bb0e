"""From traces and gates to everything that the study has to say, as figures."""

from __future__ import annotations

import contextlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from statistics import fmean, median
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bench.gate.time.decision import Effect
from bench.gate.time.effects import clock_of, life_effects, share_of
from bench.gate.time.record import PHASES
from bench.study.collect import LIVES_A_FORKER
from bench.study.coverage import Covered, coverage
from bench.study.designs import DESIGNS, Spread, alike, effects, spread
from bench.study.rates import Rate, rate
from bench.study.resample import THREADS, Kind, Known, resample
from bench.study.rivals import RIVALS, alarms, processes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.gate.time.record import Answer, Bounds
    from bench.records import Machine
    from bench.study.record import RealGate, Trace
    from bench.study.resample import Resampled

MARGINS = (0.02, 0.03)
"""Of a whole step, for the gates that are resampled."""

REASONS = {
    "the base differed from itself": "the base differed from itself",
    "with a known slow-down": "the known slow-down was not seen",
    "did not confirm it": "a FAIL was not confirmed",
    "the margin of": "too near the margin, or too wide to say",
}
"""Why a gate can't tell: what its reason says, and how the tables call it."""


@dataclass(frozen=True)
class Settings:
    """How the analysis was done.

    Attributes:
        gates: drawn for each trace and margin.
        seed: of every draw.
        renewal: seconds that fresh processes are taken to need in a drawn gate.
    """

    gates: int = 3000
    seed: int = 0
    renewal: float = 3.0


@dataclass(frozen=True)
class Tally:
    """What many gates of one kind came to. Seconds are of a gate."""

    rates: dict[Answer, Rate]
    reasons: dict[str, int]
    seconds: list[float]
    lives: float

    @property
    def typical_seconds(self) -> float:
        """The median."""
        return median(self.seconds)


@dataclass(frozen=True)
class Scene:
    """What one trace says.

    Attributes:
        shares: each phase's part of a step.
        head, again: by the whole trace, over the base; whole steps.
        head_effects, again_effects: the same of each life, as logarithms.
        alike: see `bench.study.designs.alike`.
        load: wall-clock time of the base's steps over their processor time.
        tallies: of drawn gates, by margin and by what was drawn.
        rivals: how often each of them called the head slower, and of how many processes a run.
        spreads: of the head's effect by each design.
    """

    scenario: str
    neighbours: int
    fault: str
    nominal: float
    lives: int
    shares: dict[str, float]
    head: Bounds
    again: Bounds
    head_effects: list[float]
    again_effects: list[float]
    alike: float | None
    load: float | None
    tallies: dict[tuple[float, Kind], Tally]
    covered: list[Covered]
    rivals: dict[str, tuple[Rate, int]]
    spreads: dict[str, Spread]


@dataclass(frozen=True)
class Findings:
    """All of it; real gates by scenario and margin, with the first of each for its fields."""

    settings: Settings
    machines: list[Machine]
    commits: list[str]
    scenes: list[Scene] = field(default_factory=list)
    real: dict[tuple[str, float], tuple[RealGate, Tally]] = field(default_factory=dict)


def findings(
    traces: Sequence[Trace],
    gates: Sequence[RealGate],
    settings: Settings,
    told: Callable[[str], None] = lambda _: None,
    processes: int = 1,
) -> Findings:
    """The figures of the study; the same for the same arguments, however many processes."""
    ordered = sorted(traces, key=lambda t: (t.fault != "none", t.fault, t.nominal, t.neighbours))
    groups: dict[tuple[str, float], list[RealGate]] = {}
    for gate in sorted(gates, key=lambda g: (g.fault != "none", g.fault, g.nominal, g.neighbours)):
        groups.setdefault((gate.scenario, gate.margin), []).append(gate)
    scenes = []
    with contextlib.ExitStack() as stack:
        each = map if processes == 1 else stack.enter_context(ProcessPoolExecutor(processes)).map
        for trace, found in zip(ordered, each(scene, ordered, repeat(settings)), strict=True):
            told(f"{trace.scenario}: {len(trace.lives)} lives")
            scenes.append(found)
    return Findings(
        settings,
        list(dict.fromkeys(trace.machine for trace in ordered)),
        sorted({trace.commit for trace in ordered if trace.commit is not None}),
        scenes,
        {key: (group[0], tally(group)) for key, group in groups.items()},
    )


def scene(trace: Trace, settings: Settings) -> Scene:
    """What one trace says."""
    lives, gates, seed = trace.lives, settings.gates, settings.seed
    clock = clock_of((life.cells[0] for life in lives), THREADS)
    known = Known(lives)
    kinds: tuple[Kind, ...] = ("lives", "forkers")
    total = life_effects(lives, 0, "total", clock)
    spreads = {name: spread(effects(lives, design)) for name, design in DESIGNS.items()}
    return Scene(
        scenario=trace.scenario,
        neighbours=trace.neighbours,
        fault=trace.fault,
        nominal=trace.nominal,
        lives=len(lives),
        shares={phase: share_of(lives, 0, phase) for phase in PHASES},
        head=Effect.of(total["head"]).ratio(),
        again=Effect.of(total["again"]).ratio(),
        head_effects=total["head"],
        again_effects=total["again"],
        alike=alike(total["head"], LIVES_A_FORKER),
        load=_load(trace),
        tallies={
            (margin, kind): tally(
                resample(
                    lives,
                    replace(trace.terms, margin=margin),
                    gates,
                    seed=seed,
                    renewal=settings.renewal,
                    kind=kind,
                    known=known,
                )
            )
            for margin in MARGINS
            for kind in kinds
        },
        covered=coverage(trace, gates, seed),
        rivals={
            name: (alarms(rival, lives, gates, seed), processes_of(rival, len(lives)))
            for name, rival in RIVALS.items()
        },
        spreads={name: found for name, found in spreads.items() if found is not None},
    )


def tally(gates: Sequence[Resampled] | Sequence[RealGate]) -> Tally:
    """Count answers and reasons.

    Raises:
        ValueError: there is no gate.
    """
    answers: tuple[Answer, ...] = ("PASS", "FAIL", "CAN'T TELL")
    reasons: dict[str, int] = {}
    for gate in gates:
        if gate.answer == "CAN'T TELL":
            reason = reason_of(gate.why)
            reasons[reason] = reasons.get(reason, 0) + 1
    return Tally(
        rates={
            answer: rate(sum(gate.answer == answer for gate in gates), len(gates))
            for answer in answers
        },
        reasons=reasons,
        seconds=[gate.seconds for gate in gates],
        lives=fmean(gate.lives for gate in gates),
    )


def reason_of(why: str) -> str:
    """The kind of reason that a gate gave for not telling."""
    for said, name in REASONS.items():
        if said in why:
            return name
    return "another reason"


def _load(trace: Trace) -> float | None:
    """How much longer the base's steps took than the processor worked on them."""
    wall = cpu = 0
    for life in trace.lives:
        arm = life.cells[0].arms["base"]
        if arm.cpu is None:
            return None
        wall += sum(sum(step) for turn in arm.wall for step in turn)
        cpu += sum(sum(step) for turn in arm.cpu for step in turn)
    return wall / cpu if cpu else None
