"""What the study keeps: traces of lives, and gates that were really run.

History of the schema:
    1  the first.
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, TypeVar

import msgspec

from bench.gate.time.record import Answer, Life, Row, Terms  # noqa: TC001  read at run time
from bench.records import Machine, Record

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = 1

Kept = TypeVar("Kept")


class Trace(Record, frozen=True, omit_defaults=False):
    """Many lives of one scenario (see `bench.study.scenarios.Scenario` for the fields)."""

    schema: int
    scenario: str
    neighbours: int
    fault: str
    nominal: float
    machine: Machine
    terms: Terms
    commit: str | None
    lives: list[Life]


class RealGate(Record, frozen=True, omit_defaults=False):
    """A gate that was really run, without its turns. `seconds` is all of it."""

    scenario: str
    neighbours: int
    fault: str
    nominal: float
    margin: float
    answer: Answer
    why: str
    seconds: float
    looks: int
    lives: int
    rows: list[Row]


def write(path: Path, kept: Trace | list[RealGate]) -> None:
    """As compressed JSON, the same bytes for the same content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(msgspec.json.encode(kept), mtime=0))


def read(path: Path, kind: type[Kept]) -> Kept:
    """What `write` has written."""
    return msgspec.json.decode(gzip.decompress(path.read_bytes()), type=kind)
