"""The work that a cell did: what must be equal for the ratios of two cells to be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.records import Cell, Run

OF_A_CELL = ("topology", "device", "dtype", "batch", "threads", "optimizer")
OF_A_REQUEST = ("compile", "channels_last", "freeze", "weights")


def work(run: Run, cell: Cell) -> dict[str, Any]:
    """The settings of a cell, by name."""
    return {
        **{name: getattr(cell, name) for name in OF_A_CELL},
        **{name: getattr(run.request, name) for name in OF_A_REQUEST},
    }
