"""What the memory of a step is made of, and its measured and predicted peak."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.page import theme
from bench.page.chart import Chart, Row, labels, layered, named_colours, strategies_axis, tooltip
from bench.report.reading import memory_parts, words
from bench.report.units import MIB, mebibytes

if TYPE_CHECKING:
    from bench.records import Cell

_COLOURS = {
    "parameters": theme.GREY,
    "buffers": theme.DARK_GREY,
    "gradients": theme.BLUE,
    "optimizer": theme.GREEN,
    "saved for backward": theme.PURPLE,
    "strategy's own": theme.VERMILION,
}
_FROZEN = 0.45  # opacity of what belongs to the frozen part


def draw(cells: list[Cell]) -> Chart | None:
    """Stacked parts in MiB, the frozen share paler, with both peaks."""
    shown = labels([cell.strategy for cell in cells])
    parts = [row for cell in cells for row in _rows(cell, shown[cell.strategy])]
    peaks = [row for cell in cells for row in _peaks(cell, shown[cell.strategy])]
    if not parts and not peaks:
        return None
    colours = {
        name: colour
        for name, colour in _COLOURS.items()
        if any(part["part"] == name for part in parts)
    }
    y = strategies_axis(list(shown.values()))
    x = {"type": "quantitative", "title": "MiB"}
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": parts},
            "params": [{"name": "part", "select": {"type": "point", "fields": ["part"]},
                        "bind": "legend"}],
            "mark": {"type": "bar", "height": {"band": 0.62}, "strokeWidth": 1},
            "encoding": {
                "y": y,
                "x": {**x, "field": "start"},
                "x2": {"field": "end"},
                "color": {"field": "part", "type": "nominal", "scale": named_colours(colours)},
                "stroke": {"value": theme.GROUND},
                "opacity": {
                    "condition": {"param": "part", "empty": True, "field": "opacity",
                                  "type": "quantitative", "scale": None},
                    "value": 0.1,
                },
                "tooltip": tooltip("strategy", "part", "belongs to", "size", "verdict"),
            },
        },
        {
            "data": {"values": peaks},
            "mark": {"type": "point", "filled": False, "strokeWidth": 1.8, "opacity": 1},
            "encoding": {
                "y": y,
                "x": {**x, "field": "mib"},
                "shape": {
                    "field": "peak",
                    "type": "nominal",
                    "scale": {"domain": ["measured peak", "predicted peak"],
                              "range": ["M0,-1L0,1", "diamond"]},
                    "legend": {"symbolStrokeColor": theme.INK, "symbolFillColor": "transparent",
                               "orient": "bottom"},
                },
                "size": {"condition": {"test": "datum.peak === 'measured peak'", "value": 150},
                         "value": 40},
                "stroke": {"value": theme.INK},
                "tooltip": tooltip("strategy", "peak", "size", "verdict"),
            },
        },
    ]  # fmt: skip
    return Chart(
        "Memory of a training step",
        "Each part at its largest, which need not be at the same moment: a stack may end beyond "
        "its peak, or short of it. Paler parts belong to what is frozen.",
        layered(len(cells), layers, columns=3),
    )


def _rows(cell: Cell, label: str) -> list[Row]:
    rows: list[Row] = []
    end = 0.0
    for name, frozen, size in memory_parts(cell.memory):
        rows.append({
            "strategy": label,
            "part": name,
            "belongs to": "the frozen part" if frozen else "the rest",
            "start": end,
            "end": end + size / MIB,
            "size": f"{mebibytes(size)} MiB",
            "verdict": words(cell.verdict),
            "opacity": _FROZEN if frozen else 1,
        })  # fmt: skip
        end += size / MIB
    return rows


def _peaks(cell: Cell, label: str) -> list[Row]:
    known = {
        "measured peak": cell.memory.peak_bytes,
        "predicted peak": cell.memory.predicted_peak_bytes,
    }
    return [
        {"strategy": label, "peak": name, "mib": size / MIB, "size": f"{mebibytes(size)} MiB",
         "verdict": words(cell.verdict)}
        for name, size in known.items()
        if size is not None
    ]  # fmt: skip
