"""Seconds: raw samples with where they come from, and the figures that follow from them."""

from __future__ import annotations

from bench.records.record import Record


class Samples(Record, frozen=True, omit_defaults=False):
    """Seconds of each phase, one entry a step; the lists are parallel."""

    forward: list[float]
    backward: list[float]
    update: list[float]
    total: list[float]


class Origin(Record, frozen=True, omit_defaults=False):
    """Where each sample comes from, parallel to the lists of `Samples`.

    `position` is the place within its turn: 0 is the first step after other cells had theirs.
    """

    life: list[int]
    round: list[int]
    position: list[int]


class Warmup(Record, frozen=True, omit_defaults=False):
    """The steps before the first round of each life: recorded, and not used in the ratios.

    `first_on_batch` marks the steps that met their batch for the first time in that life.
    """

    samples: Samples
    life: list[int]
    first_on_batch: list[bool]


class Interference(Record, frozen=True, omit_defaults=False):
    """One turn's share of the machine.

    `cpu_seconds` of the process within `wall_seconds`, and how often the kernel took the processor
    away (`None` where the system doesn't say).
    """

    life: int
    round: int
    wall_seconds: float
    cpu_seconds: float
    involuntary_switches: int | None


class Interval(Record, frozen=True, omit_defaults=False):
    """A figure with its confidence interval; no bounds where one life alone was measured."""

    value: float
    low: float | None
    high: float | None


class Phase(Record, frozen=True):
    """One phase of a cell: seconds a step, and the ratio to `full` of the same rounds."""

    seconds: Interval
    ratio: Interval | None = None


class Summary(Record, frozen=True):
    """What follows from the samples of a cell.

    `ideal` is the time ratio to `full` that the FLOPs alone would allow, for `backward` and
    `total`. `fill_seconds` is the extra time a strategy spent once on each batch.
    `host_seconds` (accelerators only, not under a loss scale) is the time the host took to enqueue
    the first step of a turn; `launch_bound` says that it took at least 90% of the device's.
    """

    lives: int
    rounds: int
    phases: dict[str, Phase]
    ideal: dict[str, float]
    precise: bool = False
    fill_seconds: float | None = None
    host_seconds: float | None = None
    launch_bound: bool | None = None
