"""Runs with raw samples, and every gap that a run may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import replace
from requested import requested

from bench.records import (
    SCHEMA,
    Cell,
    Counters,
    Drift,
    Machine,
    Memory,
    Midway,
    Moved,
    Origin,
    Project,
    Run,
    Samples,
    Split,
    Verdict,
)
from bench.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Callable

LIVES, ROUNDS, STEPS = 3, 2, 4
WHERE_IT_BROKE = "/srv/secret-place/deep/weights.bin"


def _timing(draw: np.random.Generator, scale: float) -> dict[str, Any]:
    turns = [(life, number) for life in range(1, LIVES + 1) for number in range(ROUNDS)]
    steps = len(turns) * STEPS
    parts = [
        [float(s) for s in seconds * scale * draw.lognormal(0, 0.02, steps)]
        for seconds in (0.002, 0.006, 0.001)
    ]
    return {
        "samples": Samples(*parts, [sum(step) for step in zip(*parts, strict=True)]),
        "origin": Origin(
            [life for life, _ in turns for _ in range(STEPS)],
            [number for _, number in turns for _ in range(STEPS)],
            [step for _ in turns for step in range(STEPS)],
        ),
    }


def build_cell(strategy: str, verdict: Verdict = "ok", scale: float = 1.0, **more: Any) -> Cell:
    draw = np.random.default_rng(sum(map(ord, strategy)))
    timed = verdict not in ("failed", "severed")
    fields: dict[str, Any] = {
        "workload": "policy",
        "strategy": strategy,
        "topology": "front",
        "device": "cpu",
        "dtype": "float32",
        "batch": 64,
        "threads": 1,
        "optimizer": "adam",
        "verdict": verdict,
        "why": "" if verdict in ("ok", "reference") else f"it {verdict}",
        **(_timing(draw, scale) if timed else {}),
    }
    if verdict != "failed":
        drift = Drift(5, 4, [Moved("a", "buffer", None, None, None)], [], None)
        fields["midway"] = Midway(verdict, fields["why"], drift)
        fields["drift"] = drift
        fields["memory"] = Memory(
            Split(10, 20), peak_bytes=int(1000 * scale), saved_bytes=300, notes=["a remark"]
        )
        fields["counters"] = Counters(200, 400, {"forward": 3, "backward": 5}, 7)
    return Cell(**{**fields, **more})


def build_run(*cells: Cell, summed: bool = True, **more: Any) -> Run:
    """A run of one workload; `summed` gives timed cells the summary that the conductor would."""
    found = list(cells)
    full = next((cell for cell in found if cell.strategy == "full"), None)
    if summed:
        found = [replace(c, summary=summarize(c, full, 0.05, fills=False)) for c in found]
    fields: dict[str, Any] = {
        "schema": SCHEMA,
        "id": "20260102-030405-abcd",
        "started": "2026-01-02T03:04:05+00:00",
        "state": "done",
        "stopped_by": "precision",
        "surveyed_seconds": 1.0,
        "timed_seconds": 2.0,
        "request": requested(workloads=("/srv/secret-place/policy.py:policy",)),
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
        "cells": found,
    }
    return Run(**{**fields, **more})


def all_verdicts() -> tuple[Cell, ...]:
    return (
        build_cell("full", "reference"),
        build_cell("no_grad", scale=0.5),
        build_cell("mask_grads", "leaks", 1.1),
        build_cell("functional", "diverges", 0.6),
        build_cell("detach", "severed"),
        build_cell("restore", "failed", why=f"OSError: cannot read '{WHERE_IT_BROKE}'"),
    )


RUNS: dict[str, Callable[[], Run]] = {
    "whole": lambda: build_run(*all_verdicts()),
    "interrupted before its summary": lambda: build_run(
        *all_verdicts(), summed=False, state="interrupted", stopped_by=None
    ),
    "killed before its first cell": lambda: build_run(state="running", stopped_by=None),
    "nothing timed": lambda: build_run(
        build_cell("full", "failed"), build_cell("detach", "severed")
    ),
    "without full": lambda: build_run(build_cell("no_grad", scale=0.5)),
    "one step": lambda: build_run(
        *(
            build_cell(
                name,
                verdict,
                samples=Samples([1e-3], [2e-3], [1e-3], [4e-3]),
                origin=Origin([1], [0], [0]),
            )
            for name, verdict in (("full", "reference"), ("no_grad", "ok"))
        )
    ),
}
