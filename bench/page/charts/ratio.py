"""What freezing saved, beside what the FLOPs promise: time relative to `full`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bench.page import theme
from bench.page.chart import Chart, Row, labels, layered, named_colours, strategies_axis, tooltip
from bench.report.reading import ideal, ratio, words
from bench.report.units import INTERVAL, TIMES, share, times

if TYPE_CHECKING:
    from bench.records import Cell, Interval

_COLOURS = {"total": theme.BLUE, "backward": theme.VERMILION}
_TICKS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 30, 100)
_FEW = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)  # where those would touch
_LIMITS = (0.002, 250.0)


def draw(cells: list[Cell]) -> Chart | None:
    """Points with intervals on a logarithmic axis, and a tick at what the FLOPs allow."""
    rows = _rows(cells)
    if not rows:
        return None
    shown = labels(list(dict.fromkeys(str(row["strategy"]) for row in rows)))
    rows = [{**row, "strategy": shown[row["strategy"]]} for row in rows]
    y = strategies_axis(list(shown.values()))
    beside = {"domain": list(_COLOURS), "paddingInner": 0, "paddingOuter": 0.5}
    offset = {"field": "phase", "type": "nominal", "scale": beside}
    low, high = _limits(rows)
    x = {"type": "quantitative", "scale": {"type": "log", "domain": [low, high], "nice": False},
         "axis": {"title": "time ÷ time of full (logarithmic)", "values": _ticks(low, high),
                  "format": "~g", "labelExpr": f"datum.label + '{TIMES}'"}}  # fmt: skip
    colour = {"field": "phase", "type": "nominal", "scale": named_colours(_COLOURS)}
    opacity = {
        "condition": {"param": "phase", "empty": True, "field": "opacity",
                      "type": "quantitative", "scale": None},
        "value": 0.12,
    }  # fmt: skip
    place = {"y": y, "yOffset": offset, "color": colour, "opacity": opacity}
    promised = [row for row in rows if row["ideal"] is not None]
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": [{"full": 1}]},
            "mark": {"type": "rule", "color": theme.INK, "strokeDash": [4, 3]},
            "encoding": {"x": {**x, "field": "full"}},
        },
        {
            "data": {"values": promised},
            "mark": {"type": "rule", "strokeWidth": 1, "strokeDash": [1, 2]},
            "encoding": {**place, "x": {**x, "field": "ideal"}, "x2": {"field": "value"}},
        },
        {
            "data": {"values": promised},
            "mark": {"type": "tick", "thickness": 2, "height": 9},
            "encoding": {**place, "x": {**x, "field": "ideal"},
                         "tooltip": tooltip("strategy", "phase", "FLOPs allow")},
        },
        {
            "data": {"values": [row for row in rows if row["low"] is not None]},
            "mark": {"type": "rule", "strokeWidth": 5, "strokeOpacity": 0.45},
            "encoding": {**place, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
        },
        {
            "data": {"values": rows},
            "params": [{"name": "phase", "select": {"type": "point", "fields": ["phase"]},
                        "bind": "legend"}],
            "mark": {"type": "point", "filled": True, "size": 46},
            "encoding": {
                **place,
                "shape": {"field": "phase", "type": "nominal",
                          "scale": {"domain": list(_COLOURS), "range": ["circle", "diamond"]}},
                "x": {**x, "field": "value"},
                "tooltip": tooltip("strategy", "phase", "measured", "FLOPs allow", "verdict"),
            },
        },
    ]  # fmt: skip
    return Chart(
        "Achieved, and what the FLOPs allow",
        f"Left of 1{TIMES} is faster than training everything. Points are measured, with their "
        f"{INTERVAL}; the upright tick is where the time would be if it followed the FLOPs alone, "
        "and the dotted line between them is what the clock does not give.",
        layered(len(shown), layers),
    )


def _rows(cells: list[Cell]) -> list[Row]:
    rows: list[Row] = []
    for cell in cells:
        for phase in _COLOURS:
            value = ratio(cell, phase)
            if value is None or value.value <= 0:
                continue
            allowed = ideal(cell, phase)
            bounded = value.low is not None and value.high is not None and value.low > 0
            rows.append({
                "strategy": cell.strategy,
                "phase": phase,
                "value": _within(value.value),
                "low": _bound(value, low=True) if bounded else None,
                "high": _bound(value, low=False) if bounded else None,
                "ideal": _within(allowed) if allowed else None,
                "measured": times(value),
                "FLOPs allow": "not known" if allowed is None else f"{share(allowed)}{TIMES}",
                "verdict": words(cell.verdict),
                "opacity": 1 if cell.verdict in ("ok", "reference") else theme.FADED,
            })  # fmt: skip
    return rows


def _bound(value: Interval, *, low: bool) -> float | None:
    bound = value.low if low else value.high
    return None if bound is None else _within(bound)


def _within(value: float) -> float:
    return min(max(value, _LIMITS[0]), _LIMITS[1])


def _limits(rows: list[Row]) -> tuple[float, float]:
    shown = [row[name] for row in rows for name in ("value", "low", "high", "ideal")]
    known = [value for value in shown if value is not None]
    return min(0.45, min(known) * 0.88), max(1.3, max(known) * 1.1)


def _ticks(low: float, high: float) -> list[float]:
    ticks = _TICKS if math.log2(high / low) <= 5 else _FEW
    return [tick for tick in ticks if low <= tick <= high]
