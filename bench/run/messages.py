"""What the conductor and its workers say to each other. Plain data: nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from bench.measure.clock import StepTimes  # noqa: TC001  the annotations are read at run time
from bench.records import Counters, Memory, Record


@dataclass(frozen=True)
class Done:
    """An answer."""

    value: Any


@dataclass(frozen=True)
class Refused:
    """The request cannot be run; the sentence says what to change."""

    sentence: str


@dataclass(frozen=True)
class Failed:
    """The cell raised."""

    why: str


@dataclass(frozen=True)
class TurnReading:
    """The steps of one turn, and the share of the machine that it got.

    `cpu_times` is the processor time of the steps (on the CPU only). `voluntary_switches` counts
    how often the process waited of its own accord, for a lock, a disk or a sleep.
    `threads` and `resident_bytes` are what it had at the end; `throttled` says that the device held
    its clock down meanwhile, and `telemetry` has one entry for each column of
    `bench.records.Telemetry` that the machine gives. `None` is what the system or the device
    doesn't tell.
    """

    times: StepTimes
    host_times: StepTimes | None
    wall_seconds: float
    cpu_seconds: float
    involuntary_switches: int | None
    cpu_times: StepTimes | None = None
    voluntary_switches: int | None = None
    threads: int | None = None
    resident_bytes: int | None = None
    throttled: bool | None = None
    telemetry: dict[str, float | int | str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class WarmUpReading:
    """The steps of a warm-up, and which of them met their batch for the first time."""

    times: StepTimes
    first_on_batch: list[bool]


class Prediction(Record, frozen=True):
    """What `meta` tells of a cell: for the record, and for packing cells into memory."""

    peak_bytes: int | None = None
    resident_bytes: int | None = None
    counters: Counters | None = None
    allocated_by: dict[str, int] = msgspec.field(default_factory=dict)
    why_absent: str | None = None


class Findings(Record, frozen=True):
    """Memory and counters of a cell."""

    memory: Memory
    counters: Counters


class Known(Record, frozen=True):
    """What goes by name where the worker is: its torch, the built-in workloads, all strategies."""

    torch: str
    workloads: tuple[str, ...]
    strategies: tuple[str, ...]
