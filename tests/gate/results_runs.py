"""Made-up stored runs whose noise from run to run and from life to life is known."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import replace
from requested import requested

from bench.gate.stored.gate import GATED, Comparison, Row
from bench.records import (
    SCHEMA,
    Cell,
    Counters,
    Machine,
    Memory,
    Origin,
    Project,
    Run,
    Samples,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

RATIOS = {"full": 1.0, "no_grad": 0.5, "detach": 0.6}
BETWEEN, WITHIN = 0.02, 0.01


def make_run(
    name: str,
    ratios: Mapping[str, float] = RATIOS,
    *,
    seed: int = 0,
    between: float = BETWEEN,
    within: float = WITHIN,
    lives: int = 4,
    rounds: int = 2,
    **more: Any,
) -> Run:
    """A run whose log ratios scatter by `between` from run to run and `within` from life to life.

    In a round full takes 6 ms, times that round's own mood, which the ratio cancels.
    """
    draw = np.random.default_rng([seed, *name.encode()])
    turns = [(life, number) for life in range(1, lives + 1) for number in range(rounds)]
    moods = draw.lognormal(0, 0.3, len(turns)).tolist()
    cells = []
    for strategy, ratio in ratios.items():
        luck = float(draw.normal(0, between)) if strategy != "full" else 0.0
        of_life = draw.normal(0, within, lives).tolist()
        phases = []
        for _ in range(4):
            logs = [luck + of_life[life - 1] + float(draw.normal(0, 0.002)) for life, _ in turns]
            phases.append(
                [
                    0.006 * mood * ratio * math.exp(log)
                    for mood, log in zip(moods, logs, strict=True)
                ]
            )
        cells.append(
            Cell(
                workload="policy",
                strategy=strategy,
                topology="front",
                device="cpu",
                dtype="float32",
                batch=64,
                threads=1,
                optimizer="adam",
                verdict="reference" if strategy == "full" else "ok",
                why="",
                samples=Samples(*phases),
                origin=Origin(
                    [life for life, _ in turns], [number for _, number in turns], [0] * len(turns)
                ),
                memory=Memory(peak_bytes=1000),
                counters=Counters(200, 400, {"forward": 3}, 7),
                fingerprint="f00d",
            )
        )
    fields: dict[str, Any] = {
        "schema": SCHEMA,
        "id": name,
        "started": "2026-01-02T03:04:05+00:00",
        "state": "done",
        "stopped_by": "precision",
        "surveyed_seconds": 1.0,
        "timed_seconds": 2.0,
        "request": requested(),
        "machine": Machine(
            "A Server 2 cores",
            "A CPU",
            2,
            2**33,
            "Linux 6.1 x86_64",
            "3.11.9",
            "2.9",
            "0.24",
            "mkl",
        ),
        "project": Project("0.1.0", "b8baa1712345", False),
        "cells": cells,
    }
    return Run(**{**fields, **more})


@cache
def past(count: int = 8, between: float = BETWEEN) -> tuple[Run, ...]:
    return tuple(make_run(f"past{number}", between=between) for number in range(count))


def with_cells(run: Run, **changes: Any) -> Run:
    return replace(run, cells=[replace(cell, **changes) for cell in run.cells])


def gated(comparison: Comparison) -> list[Row]:
    return [row for row in comparison.rows if row.phase in GATED]


def slower(factor: float) -> dict[str, float]:
    return {**RATIOS, "no_grad": RATIOS["no_grad"] * factor}
