"""The counters' gate for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from bench.gate.counters.comparison import Comparison


def counters_json(comparison: Comparison) -> str:
    """The record itself, every cell of it; the schema is `bench/gate/counters/comparison.py`."""
    return msgspec.json.format(msgspec.json.encode(comparison), indent=2).decode()
