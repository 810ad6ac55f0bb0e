"""Time against peak memory: which strategies no other beats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bench.collection.figures import figures
from bench.collection.pareto import unbeaten
from bench.page import theme
from bench.page.chart import Chart, Row, labels, named_colours, tooltip
from bench.report.reading import is_reference, ratio, words
from bench.report.units import MIB, TIMES, mebibytes, times

if TYPE_CHECKING:
    from bench.records import Cell

_COLOURS = {
    "not beaten": theme.BLUE,
    "beaten": theme.VERMILION,
    "full": theme.INK,
    "not ranked": theme.GREY,
}
_SHAPES = {"not beaten": "circle", "beaten": "diamond", "full": "square", "not ranked": "cross"}
_NEAR = 0.04  # of an axis: points closer than this share a label
_HEIGHT = 330


class _Point(NamedTuple):
    cell: Cell
    time: float
    peak: float


def draw(cells: list[Cell]) -> Chart | None:
    """Points of total time and peak memory; the front of those that are `ok` is joined."""
    points = [point for cell in cells if (point := _point(cell)) is not None]
    if len(points) < 2:
        return None
    best = unbeaten(figures(cells))
    front = [point for point in points if point.cell.strategy in best]
    shown = labels([cell.strategy for cell in cells])
    rows = [_row(point, point in front, shown) for point in points]
    right = max(point.time for point in points) * 1.1
    top = max(point.peak for point in points) * 1.1
    x = {"type": "quantitative", "scale": {"domain": [0, right], "nice": False},
         "axis": {"title": "total time ÷ that of full", "format": "~g", "tickCount": 6,
                  "labelExpr": f"datum.label + '{TIMES}'"}}  # fmt: skip
    y = {"type": "quantitative", "scale": {"domain": [0, top], "nice": False},
         "axis": {"title": "peak memory, MiB", "labelPadding": 4}}  # fmt: skip
    kinds = [kind for kind in _COLOURS if any(row["kind"] == kind for row in rows)]
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": _stairs(front)},
            "mark": {"type": "line", "interpolate": "step-after", "color": theme.BLUE,
                     "strokeWidth": 1.5, "strokeDash": [4, 3], "opacity": 0.8},
            "encoding": {"x": {**x, "field": "time"}, "y": {**y, "field": "mib"}},
        },
        {
            "data": {"values": rows},
            "params": [{"name": "kind", "select": {"type": "point", "fields": ["kind"]},
                        "bind": "legend"}],
            "mark": {"type": "point", "filled": True, "size": 80, "stroke": theme.GROUND,
                     "strokeWidth": 1},
            "encoding": {
                "x": {**x, "field": "time"},
                "y": {**y, "field": "mib"},
                "color": {"field": "kind", "type": "nominal",
                          "scale": named_colours({kind: _COLOURS[kind] for kind in kinds})},
                "shape": {"field": "kind", "type": "nominal",
                          "scale": {"domain": kinds,
                                    "range": [_SHAPES[kind] for kind in kinds]}},
                "opacity": {"condition": {"param": "kind", "empty": True, "value": 0.95},
                            "value": 0.12},
                "tooltip": tooltip("strategy", "time of full", "peak", "verdict", "rank"),
            },
        },
    ]  # fmt: skip
    for side, align, shift in (("left", "right", -9), ("right", "left", 9)):
        named = [label for label in _named(points, front, shown, right, top)
                 if label["side"] == side]  # fmt: skip
        layers.append({
            "data": {"values": named},
            "mark": {"type": "text", "align": align, "dx": shift, "dy": -9, "limit": 260},
            "encoding": {"x": {**x, "field": "time"}, "y": {**y, "field": "mib"},
                         "text": {"field": "label"}},
        })  # fmt: skip
    return Chart(
        "Time against memory",
        "Lower left is better. Only what is ok is ranked: a strategy is beaten if another takes no "
        "more time, memory or energy, and beyond doubt less of one of them.",
        {
            "width": 420,
            "height": _HEIGHT,
            "autosize": {"type": "fit-x", "contains": "padding"},
            "layer": layers,
            "config": theme.config(),
        },
    )


def _stairs(front: list[_Point]) -> list[Row]:
    """Corners of the line below which nothing lies; those of the front above it are left out."""
    lowest = float("inf")
    corners = []
    for point in sorted(front, key=_by_time):
        if point.peak < lowest:
            lowest = point.peak
            corners.append({"time": point.time, "mib": point.peak})
    return corners


def _by_time(point: _Point) -> float:
    return point.time


def _point(cell: Cell) -> _Point | None:
    peak = cell.memory.peak_bytes
    if peak is None:
        return None
    if is_reference(cell):
        return None if cell.summary is None else _Point(cell, 1.0, peak / MIB)
    total = ratio(cell, "total")
    return None if total is None else _Point(cell, total.value, peak / MIB)


def _kind(cell: Cell, in_front: bool) -> str:
    if is_reference(cell):
        return "full"
    if cell.verdict != "ok":
        return "not ranked"
    return "not beaten" if in_front else "beaten"


def _row(point: _Point, in_front: bool, shown: dict[str, str]) -> Row:
    total = ratio(point.cell, "total")
    kind = _kind(point.cell, in_front)
    return {
        "strategy": shown[point.cell.strategy],
        "kind": kind,
        "rank": kind,
        "time": point.time,
        "mib": point.peak,
        "time of full": f"1{TIMES}" if total is None else times(total),
        "peak": f"{mebibytes(point.cell.memory.peak_bytes)} MiB",
        "verdict": words(point.cell.verdict),
    }


def _named(
    points: list[_Point], front: list[_Point], shown: dict[str, str], right: float, top: float
) -> list[Row]:
    """A label for the front, `full` and the others; near points share the first one's."""
    beaten = [point for point in points if point not in front and not is_reference(point.cell)]
    full = [point for point in points if is_reference(point.cell)]
    chosen = [*sorted(front, key=_by_time), *full, *sorted(beaten, key=_by_time)]
    placed: list[tuple[_Point, list[str]]] = []
    for point in chosen:
        for anchor, names in placed:
            if (
                abs(anchor.time - point.time) < 5 * _NEAR * right
                and abs(anchor.peak - point.peak) < _NEAR * top
            ):
                names.append(shown[point.cell.strategy])
                break
        else:
            placed.append((point, [shown[point.cell.strategy]]))
    return [
        {
            "time": anchor.time,
            "mib": anchor.peak,
            "side": "left" if anchor.time > right / 2 else "right",
            "label": ", ".join(names[:2]) + (f" and {len(names) - 2} more" if names[2:] else ""),
        }
        for anchor, names in placed
    ]
