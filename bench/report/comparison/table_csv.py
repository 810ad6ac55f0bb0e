"""A comparison as a tidy table: a row a workload, strategy and column; units in the names."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.collection.compared import Comparison, Figures
    from bench.records import Interval

_INTERVALS = {
    "total": "total_ratio_to_full",
    "backward": "backward_ratio_to_full",
    "seconds": "total_s",
    "backward_seconds": "backward_s",
    "joules": "joules",
}


def table_csv(comparison: Comparison) -> bytes:
    """UTF-8, a header, one line a cell and column; a figure that wasn't measured is empty."""
    rows = list(_rows(comparison))
    stream = io.StringIO()
    if rows:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return stream.getvalue().encode("utf-8", "replace")


def _rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    for compared in comparison.workloads:
        for name in compared.strategies:
            for place in compared.columns:
                if (figures := compared.figures.get((name, place))) is None:
                    continue
                column = comparison.columns[place]
                yield {
                    "workload": compared.workload,
                    "strategy": name,
                    "column": column.label,
                    "machine": column.machine,
                    "run": compared.stands.get(place, column.run),
                    "synthetic": column.synthetic,
                    "unbeaten": name in compared.unbeaten.get(place, []),
                    **_figures(figures),
                }


def _figures(figures: Figures) -> dict[str, Any]:
    row: dict[str, Any] = {
        "verdict": figures.verdict,
        "midway_verdict": figures.midway,
        "why": figures.why,
        "lives": figures.lives,
    }
    for name, title in _INTERVALS.items():
        known: Interval | None = getattr(figures, name)
        row[title] = None if known is None else known.value
        row[f"{title}_low"] = None if known is None else known.low
        row[f"{title}_high"] = None if known is None else known.high
    return row | {
        "ideal_total_ratio": figures.ideal_total,
        "ideal_backward_ratio": figures.ideal_backward,
        "peak_bytes": figures.peak_bytes,
        "peak_ratio_to_full": figures.peak_ratio,
        "joules_ratio_to_full": figures.joules_ratio,
    }
