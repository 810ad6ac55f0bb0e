"""One workload trained with one strategy."""

from __future__ import annotations

import msgspec

from bench.records.cost import Counters, Memory
from bench.records.drift import Drift, Midway
from bench.records.record import Dtype, Optimizer, Record, Verdict
from bench.records.telemetry import Energy, Telemetry
from bench.records.timing import Interference, Origin, Samples, Summary, Warmup


class Cell(Record, frozen=True, omit_defaults=False):
    """One workload trained with one strategy, and what was found.

    `fingerprint` stands for the model, the shapes of its batches and the files that made them.
    `midway`, `summary` and `drift` are null where there was nothing to find: a cell that failed, or
    whose loss nothing trainable reaches.
    """

    workload: str
    strategy: str
    topology: str
    device: str
    dtype: Dtype
    batch: int
    threads: int
    optimizer: Optimizer
    verdict: Verdict
    why: str
    midway: Midway | None = None
    samples: Samples = msgspec.field(default_factory=lambda: Samples([], [], [], []))
    summary: Summary | None = None
    memory: Memory = msgspec.field(default_factory=Memory)
    counters: Counters = msgspec.field(default_factory=Counters)
    drift: Drift | None = None
    origin: Origin = msgspec.field(default_factory=lambda: Origin([], [], []))
    warmup: Warmup | None = None
    host_samples: Samples | None = None
    fingerprint: str = ""
    interference: list[Interference] = []
    telemetry: Telemetry | None = None
    energy: Energy | None = None
