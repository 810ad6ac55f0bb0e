"""What the conductor and its workers say to each other. Plain data: nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from bench.records import Counters, Memory, Record

if TYPE_CHECKING:
    from bench.measure.clock import StepTimes


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
    """The steps of one turn, and the share of the machine that it got."""

    times: StepTimes
    host_times: StepTimes | None
    wall_seconds: float
    cpu_seconds: float
    involuntary_switches: int | None


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
