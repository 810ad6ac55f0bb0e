"""What a gate measured and what it answered: typed, versioned, raw turns kept.

History of the schema:
    1  the first.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from bench.records import Machine, Record, Request

SCHEMA = 1

ARMS = ("base", "head", "again", "slowed")
"""Who races in a gate: the two sides, and two controls that are the base too.

`again` is the base once more and must not look different; `slowed` is the base with a known
slow-down and must.
"""

PHASES = ("forward", "backward", "update", "total")

Answer = Literal["PASS", "FAIL", "CAN'T TELL"]
Step = tuple[int, int, int]
"""Nanoseconds of forward, backward and update."""


class Terms(Record, frozen=True, omit_defaults=False):
    """What was agreed before anything was measured. Margins are relative, the budget is seconds.

    `looks` are the numbers of lives after which the gate may answer; the last one is at the end of
    the budget, if that comes first. A turn has `turn_steps`, or more if they are quick.
    `life_seconds` is for how long a life races: agreed for one cell, recorded for all of them.
    `fail_confidence` and `pass_confidence` are of the whole gate; `slow_down` is the control's, as
    a fraction of each phase.
    """

    margin: float = 0.03
    phase_margin: float = 0.05
    budget: float = 150.0
    life_seconds: float = 4.0
    turn_steps: int = 3
    looks: tuple[int, ...] = (5, 9, 14, 20)
    fail_confidence: float = 0.99
    pass_confidence: float = 0.95
    slow_down: float = 0.10
    least_share: float = 0.15


class SideRecord(Record, frozen=True, omit_defaults=False):
    """One side: what was asked for, and what that was. No path of the machine."""

    spec: str
    commit: str | None
    dirty: bool
    freezebench: str
    python: str
    torch: str


class ArmTurns(Record, frozen=True, omit_defaults=False):
    """The turns of one contestant in one life, in order, two to a block; parallel lists.

    `wall` is the device's time, `cpu` the processor time of the same steps, where the host did the
    work. `waits` counts how often the process waited of its own accord.
    """

    wall: list[list[Step]] = msgspec.field(default_factory=list)
    cpu: list[list[Step]] | None = None
    waits: list[int | None] = msgspec.field(default_factory=list)


class CellTurns(Record, frozen=True, omit_defaults=False):
    """One cell in one life: the turns of every arm."""

    workload: str
    strategy: str
    arms: dict[str, ArmTurns]


class Life(Record, frozen=True, omit_defaults=False):
    """One life of the gate: fresh workers on both sides.

    `purpose` says whether it belongs to the trial or to the confirmation of a FAIL. `others` is the
    share of the machine's processors that others had meanwhile, and `stolen` the share that the
    hypervisor took; `None` where the system doesn't say. `grown_bytes` is by how much the resident
    size of each worker grew from its first turn to its last. `repeated` turns found the device
    throttled.
    """

    number: int
    purpose: Literal["trial", "confirmation"]
    seconds: float
    start_seconds: float
    cells: list[CellTurns]
    others: float | None = None
    stolen: float | None = None
    grown_bytes: dict[str, int] = msgspec.field(default_factory=dict)
    repeated: int = 0


class Bounds(Record, frozen=True, omit_defaults=False):
    """A ratio with its two-sided 95% interval."""

    value: float
    low: float
    high: float


class Row(Record, frozen=True):
    """One phase of one cell: head over base, the controls, and what follows.

    `clock` is the one that was judged: `cpu` or `wall`. `share` is the phase's part of the base's
    step; below the least share `judged` is false and the row decides nothing. `fail_bound` is the
    lower bound at which FAIL is said and `pass_bound` the upper one for PASS, both with their part
    of the error at this look. `p` is of a ratio that is not above the margin, adjusted for all
    rows.
    """

    workload: str
    strategy: str
    phase: str
    clock: str
    share: float
    judged: bool
    margin: float
    head: Bounds
    again: Bounds
    slowed: Bounds
    fail_bound: float
    pass_bound: float
    p: float
    answer: Answer
    why: str = ""
    improved: bool = False
    confirmed: Bounds | None = None

    @property
    def name(self) -> str:
        """How sentences call it."""
        return f"{self.workload} × {self.strategy}, {self.phase}"


class Gate(Record, frozen=True, omit_defaults=False):
    """A whole comparison of two checkouts on one machine, and its answer."""

    schema: int
    id: str
    started: str
    answer: Answer
    why: str
    notes: list[str]
    seconds: float
    looks: int
    base: SideRecord
    head: SideRecord
    machine: Machine
    request: Request
    terms: Terms
    rows: list[Row]
    lives: list[Life] = msgspec.field(default_factory=list)
