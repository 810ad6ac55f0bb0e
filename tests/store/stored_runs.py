"""A run as it is stored, and what may be changed of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from requested import requested

from bench.records import (
    SCHEMA,
    Cell,
    Machine,
    Origin,
    Project,
    Run,
    Samples,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


def cell(**more: Any) -> Cell:
    fields: dict[str, Any] = {
        "workload": "policy",
        "strategy": "full",
        "topology": "front",
        "device": "cpu",
        "dtype": "float32",
        "batch": 4,
        "threads": 1,
        "optimizer": "adam",
        "verdict": "ok",
        "why": "",
        "samples": Samples([1.0], [2.0], [3.0], [6.0]),
        "origin": Origin([1], [1], [0]),
    }
    return Cell(**{**fields, **more})


def run(**changes: Any) -> Run:
    made = Run(
        schema=SCHEMA,
        id="20260102-120000-abcd",
        started="2026-01-02T12:00:00+00:00",
        state="running",
        stopped_by=None,
        surveyed_seconds=0.0,
        timed_seconds=0.0,
        request=requested(device="auto"),
        machine=Machine("a machine", "a cpu", 2, 2**30, "an os", "3.11", "2.9", "0.24", "a blas"),
        project=Project("0.1.0", None, None),
        cells=[cell()],
    )
    return msgspec.structs.replace(made, **changes)


def with_change(change: Callable[[Any], None]) -> bytes:
    plain = msgspec.json.decode(msgspec.json.encode(run()))
    change(plain)
    return msgspec.json.encode(plain)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
