"""What was asked for."""

from __future__ import annotations

from bench.records.record import Dtype, Optimizer, Record


class Request(Record, frozen=True):
    """What was asked for. `precision` is relative, `budget` and `cell_timeout` are seconds.

    No workloads or strategies mean the default ones; `batch` and `threads` are absent where the
    choice was left open. `energy` asks for joules a step as well; it is not written where it is
    off, so that versions that do not know it read all else.
    """

    workloads: tuple[str, ...]
    strategies: tuple[str, ...]
    device: str
    dtype: Dtype
    batch: int | None
    threads: int | None
    optimizer: Optimizer
    seed: int
    steps: int
    precision: float
    budget: float
    cell_timeout: float
    freeze: tuple[str, ...]
    weights: str | None
    compile: bool
    channels_last: bool
    energy: bool = False
