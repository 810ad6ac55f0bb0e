"""One cell, as a worker is told to run it: plain data, all choices made."""

from __future__ import annotations

from bench.records import Dtype, Machine, Optimizer, Record

EVAL = "+eval"
"""Ends the name of a strategy that holds the frozen part in eval mode."""


class CellPlan(Record, frozen=True):
    """What to train and how.

    `workload` and `strategy` are the names that results show; `workload_spec` and `strategy_spec`
    are what was typed, and may hold a path. `batch` is the batch size found; `batch_option` the one
    that was asked for, if any.
    """

    workload: str
    workload_spec: str
    strategy: str
    strategy_spec: str
    topology: str
    device: str
    dtype: Dtype
    batch: int
    batch_option: int | None
    threads: int
    optimizer: Optimizer
    seed: int
    steps: int
    freeze: tuple[str, ...]
    weights: str | None
    compile: bool
    channels_last: bool
    fills_each_batch: bool = False
    fingerprint: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells a cell from the others of its run."""
        return self.workload, self.strategy


class Plan(Record, frozen=True):
    """All cells of a request, and the machine that they run on.

    `memory_bytes` is what cells may take there. `energy` says whether what steps take from
    the socket was asked for, and `surveyed_at_once` how many cells may be surveyed side by side.
    """

    machine: Machine
    memory_bytes: int | None
    cells: tuple[CellPlan, ...]
    energy: bool = False
    surveyed_at_once: int = 1
