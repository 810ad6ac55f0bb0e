"""A request as it mostly is in tests."""

from __future__ import annotations

from typing import Any

import msgspec

from bench.records import Request

_USUAL = Request(
    workloads=("policy",),
    strategies=(),
    device="cpu",
    dtype="float32",
    batch=None,
    threads=None,
    optimizer="adam",
    seed=0,
    steps=5,
    precision=0.05,
    budget=60.0,
    cell_timeout=60.0,
    freeze=(),
    weights=None,
    compile=False,
    channels_last=False,
)


def requested(**changes: Any) -> Request:
    """The usual request but for `changes`."""
    return msgspec.structs.replace(_USUAL, **changes)
