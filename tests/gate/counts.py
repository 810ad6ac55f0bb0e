"""Counts made by hand, and any counts at all."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from bench.gate.counters.differences import NAMES
from bench.gate.counters.golden import SCHEMA, CellCounts, Entry, Golden, Settings, WorkloadCounts
from bench.records import Split


def cell(**changes: Any) -> CellCounts:
    """A cell as `requires_grad` leaves one."""
    plain: dict[str, Any] = {
        "verdict": "ok",
        "midway_verdict": "ok",
        "counted_on": "meta",
        "forward_flops": 1000,
        "backward_flops": 500,
        "operators": {"forward": 10, "backward": 20, "update": 30},
        "autograd_nodes": 7,
        "parameter_bytes": Split(400, 100),
        "buffer_bytes": Split(0, 0),
        "gradient_bytes": Split(0, 100),
        "optimizer_bytes": Split(0, 200),
        "saved_bytes": 640,
        "strategy_bytes": 0,
        "predicted_peak_bytes": 4000,
        "frozen_tensors": 4,
    }
    return CellCounts(**{**plain, **changes})


def workload(cells: dict[str, CellCounts] | None = None, **changes: Any) -> WorkloadCounts:
    plain: dict[str, Any] = {
        "settings": Settings(),
        "every_strategy": True,
        "strategies": (),
        "topology": "front",
        "batch": 8,
        "fingerprint": "f",
        "cells": {"requires_grad": cell()} if cells is None else cells,
    }
    return WorkloadCounts(**{**plain, **changes})


def entry(**workloads: WorkloadCounts) -> Entry:
    return Entry(torch="2.15.0", built_in=True, workloads=workloads or {"w": workload()})


def golden(**torch: Entry) -> Golden:
    """By version, with `_` for the dot: `golden(v2_15=entry())`."""
    stored = {name[1:].replace("_", "."): found for name, found in torch.items()}
    return Golden(SCHEMA, stored or {"2.15": entry()})


figures = st.integers(0, 2**70)
splits = st.builds(Split, figures, figures)
names = st.lists(st.text(max_size=5), max_size=3).map(lambda found: tuple(sorted(set(found))))
verdicts = st.sampled_from(("ok", "leaks", "severed", "diverges", "failed"))

fields: dict[str, st.SearchStrategy[Any]] = {
    "verdict": verdicts,
    "midway_verdict": verdicts,
    "counted_on": st.sampled_from(("meta", "cpu", None)),
    "operators": st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("forward", "backward", "update"), figures)
    ),
    **{
        name: st.none() | figures
        for name in (
            "forward_flops",
            "backward_flops",
            "autograd_nodes",
            "saved_bytes",
            "strategy_bytes",
            "predicted_peak_bytes",
            "peak_bytes",
            "frozen_tensors",
        )
    },
    **{
        name: st.none() | splits
        for name in ("parameter_bytes", "buffer_bytes", "gradient_bytes", "optimizer_bytes")
    },
    **dict.fromkeys(NAMES, names),
}
cells = st.builds(CellCounts, **fields)
