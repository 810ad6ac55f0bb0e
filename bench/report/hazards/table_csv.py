"""The hazard matrix as a tidy table: a row a hazard and strategy."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.records import HazardCell, Hazards, Outcome

_COLUMNS = (
    "hazard",
    "theme",
    "strategy",
    "outcome",
    "figure",
    "unit",
    "moved_tensors",
    "largest_moved_relative",
    "without_gradient",
    "error",
    "says",
    "mended_outcome",
    "mended_says",
)


def table_csv(hazards: Hazards) -> bytes:
    """UTF-8, a header, one line a cell; a figure that isn't there is empty."""
    themes = {hazard.name: hazard.theme for hazard in hazards.hazards}
    stream = io.StringIO()
    writer = csv.DictWriter(stream, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(cell, themes[cell.hazard]) for cell in hazards.cells)
    return stream.getvalue().encode("utf-8", "replace")


def _row(cell: HazardCell, theme: str) -> dict[str, Any]:
    outcome = cell.outcome
    return {
        "hazard": cell.hazard,
        "theme": theme,
        "strategy": cell.strategy,
        "outcome": outcome.kind,
        "figure": outcome.figure,
        "unit": outcome.unit,
        "moved_tensors": len(outcome.moved) or None,
        "largest_moved_relative": _relative(outcome),
        "without_gradient": " ".join(outcome.severed),
        "error": outcome.error,
        "says": outcome.says,
        "mended_outcome": cell.mended.kind,
        "mended_says": cell.mended.says,
    }


def _relative(outcome: Outcome) -> float | None:
    """The largest change of a tensor relative to its norm, where one is known."""
    known = [moved.relative for moved in outcome.moved if moved.relative is not None]
    return max(known, default=None)
