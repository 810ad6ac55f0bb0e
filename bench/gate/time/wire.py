"""What the gate says to a side, and what it hears: JSON, since the two may be different code.

A side may run another commit of freezebench, another Python or another torch. So nothing here is
pickled, cells are called by name, and the first word is the protocol's number.

History of the protocol:
    1  the first.
"""

from __future__ import annotations

from typing import Any

import msgspec

from bench.records import Machine, Record

PROTOCOL = 1


class Ask(Record, frozen=True):
    """A request: `hello`, or anything that a worker answers."""

    name: str
    arguments: tuple[Any, ...] = ()


class Answer(Record, frozen=True):
    """One of: a value, the sentence of a refusal, the reason of a failure."""

    value: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"null"))
    refused: str | None = None
    failed: str | None = None


class Hello(Record, frozen=True):
    """Who a side is. `harness` is the folder that its freezebench lies in."""

    protocol: int
    version: str
    python: str
    harness: str


class PlannedCell(Record, frozen=True):
    """A cell: what the gate must know of it, and the side's own plan, handed back as it is."""

    workload: str
    strategy: str
    topology: str
    device: str
    dtype: str
    batch: int
    threads: int
    optimizer: str
    plan: dict[str, Any]

    @property
    def name(self) -> str:
        """How sentences and tables call it."""
        return f"{self.workload} × {self.strategy}"


class SidePlan(Record, frozen=True):
    """The cells of a side, in order, and its machine with its torch."""

    machine: Machine
    cells: tuple[PlannedCell, ...]
