"""All cells of one invocation."""

from __future__ import annotations

from typing import Literal

from bench.records.cell import Cell
from bench.records.machine import Machine
from bench.records.record import Record
from bench.records.request import Request

SCHEMA = 2


class Project(Record, frozen=True, omit_defaults=False):
    """The code that measured.

    Its version, its git commit where it ran from a checkout, and whether files differed from that.
    """

    version: str
    commit: str | None
    dirty: bool | None


class Run(Record, frozen=True, omit_defaults=False):
    """All cells of one invocation on one machine.

    `state` is `running` while work is left (a run that was killed stays so), `interrupted` after
    Ctrl-C and `done` at the end. `stopped_by` says what ended the timing: `precision` or `budget`.
    `surveyed_seconds` went into everything but time, `timed_seconds` into the lives. `synthetic`
    says that the figures were made up, for a test: such a run joins no collection.
    """

    schema: int
    id: str
    started: str
    state: Literal["running", "interrupted", "done"]
    stopped_by: Literal["precision", "budget"] | None
    surveyed_seconds: float
    timed_seconds: float
    request: Request
    machine: Machine
    project: Project
    cells: list[Cell]
    synthetic: bool = False
