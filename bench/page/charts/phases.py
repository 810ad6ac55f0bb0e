"""Where the time of a step goes: forward, backward and update of every strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.page import theme
from bench.page.chart import Chart, Row, labels, layered, named_colours, strategies_axis, tooltip
from bench.report.reading import seconds, words
from bench.report.units import INTERVAL, MILLI, milliseconds

if TYPE_CHECKING:
    from bench.records import Cell, Interval

_COLOURS = {"forward": theme.GREEN, "backward": theme.BLUE, "update": theme.VERMILION}
_LONGEST = 1.5  # an interval may take the axis at most this much beyond the slowest strategy
_ROOM = 1.14  # right of the longest bar, for its figure


def draw(cells: list[Cell]) -> Chart | None:
    """Stacked bars in milliseconds a step, with the interval of the total."""
    timed = [cell for cell in cells if seconds(cell, "total") is not None]
    if not timed:
        return None
    shown = labels([cell.strategy for cell in cells])
    y = strategies_axis(list(shown.values()))
    bars, totals = _rows(timed, shown)
    slowest = max(total["ms"] for total in totals)
    right = min(max(total["high"] or total["ms"] for total in totals), _LONGEST * slowest) * _ROOM
    x = {"type": "quantitative", "scale": {"domain": [0, right], "nice": False},
         "title": "milliseconds a step"}  # fmt: skip
    tips = tooltip("strategy", "phase", "time", "verdict")
    bar = {
        "data": {"values": bars},
        "params": [{"name": "phase", "select": {"type": "point", "fields": ["phase"]},
                    "bind": "legend"}],
        "mark": {"type": "bar", "height": {"band": 0.66}, "clip": False,
                 "stroke": theme.GROUND, "strokeWidth": 1},
        "encoding": {
            "y": y,
            "x": {**x, "field": "start"},
            "x2": {"field": "end"},
            "color": {"field": "phase", "type": "nominal", "scale": named_colours(_COLOURS)},
            "opacity": {
                "condition": {"param": "phase", "empty": True, "field": "opacity",
                              "type": "quantitative", "scale": None},
                "value": 0.12,
            },
            "tooltip": tips,
        },
    }  # fmt: skip
    total = {"values": totals}
    interval = {
        "data": total,
        "mark": {"type": "rule", "color": theme.INK, "strokeWidth": 1.3},
        "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
    }
    tick = {
        "data": total,
        "mark": {"type": "tick", "color": theme.INK, "thickness": 1.5, "height": 9},
        "encoding": {"y": y, "x": {**x, "field": "ms"}, "tooltip": tips},
    }
    untimed = [
        {"strategy": shown[cell.strategy], "far": 0, "note": words(cell.verdict)}
        for cell in cells
        if seconds(cell, "total") is None
    ]
    note = {
        "data": {"values": [*totals, *untimed]},
        "mark": {"type": "text", "align": "left", "dx": 6, "fontSize": 10.5, "color": theme.MUTED},
        "encoding": {"y": y, "x": {**x, "field": "far"}, "text": {"field": "note"}},
    }
    layers: list[dict[str, Any]] = [bar, interval, tick, note]
    return Chart(
        "Time of a training step",
        "Forward, backward and update, left to right, as in the legend. The line at a bar's end is "
        f"the {INTERVAL} of the total. Pale bars bought something else than was asked for: their "
        "verdict is beside them.",
        layered(len(cells), layers),
    )


def _rows(cells: list[Cell], shown: dict[str, str]) -> tuple[list[Row], list[Row]]:
    bars: list[Row] = []
    totals: list[Row] = []
    for cell in cells:
        sound = cell.verdict in ("ok", "reference")
        common: Row = {"strategy": shown[cell.strategy], "verdict": words(cell.verdict)}
        end = 0.0
        for phase in _COLOURS:
            time = seconds(cell, phase)
            if time is None:
                continue
            width = time.value / MILLI
            bars.append({**common, "phase": phase, "start": end, "end": end + width,
                         "time": f"{milliseconds(time)} ms",
                         "opacity": 1 if sound else theme.FADED})  # fmt: skip
            end += width
        total = seconds(cell, "total")
        if total is None:
            continue
        low = None if total.low is None else total.low / MILLI
        high = None if total.high is None else total.high / MILLI
        totals.append({**common, "phase": "total", "ms": total.value / MILLI,
                       "low": low, "high": high, "far": max(end, high or 0, total.value / MILLI),
                       "time": f"{milliseconds(total)} ms",
                       "note": _note(cell, total)})  # fmt: skip
    return bars, totals


def _note(cell: Cell, total: Interval) -> str:
    figure = milliseconds(total, bounds=False)
    return figure if cell.verdict in ("ok", "reference") else f"{figure} {words(cell.verdict)}"
