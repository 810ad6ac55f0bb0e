"""The raw samples in the order of time, so that a throttle or a noisy minute is seen."""

from __future__ import annotations

from math import ceil, floor
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.disturbance import marks
from bench.page import theme
from bench.page.chart import Chart, Row, labels, named_colours
from bench.report.units import MILLI

if TYPE_CHECKING:
    from bench.disturbance import Marks
    from bench.records import Cell, Machine

_COLOURS = {
    "usual": theme.BLUE,
    "disturbed": theme.VERMILION,
    "throttled": theme.PURPLE,
    "warm-up": theme.GREY,
}
_SHAPES = {
    "usual": "circle",
    "disturbed": "triangle-up",
    "throttled": "square",
    "warm-up": "cross",
}
_ROW_HEIGHT = 38
_WITHIN = 0.99  # of all turns lie inside their strip; the others are drawn at its edge
_NARROWEST, _WIDEST = (0.9, 1.1), (0.5, 2.0)  # of a strip, relative to a cell's median
_LIFE_LABELS = 12


class _Order(NamedTuple):
    """Where each turn is on the axis: its place among all rounds of all lives.

    A life begins with a place of its own for the warm-up.
    """

    places: dict[tuple[int, int], int]
    starts: dict[int, int]


def draw(cells: list[Cell], machine: Machine, most: int = 400) -> Chart | None:
    """One point a turn, its median relative to the cell's own, one strip a strategy.

    Args:
        cells: of one workload.
        machine: that they were on.
        most: points a cell; of longer series the most unusual turn of each few is kept.
    """
    timed = [cell for cell in cells if cell.samples.total]
    if not timed:
        return None
    order = _order(timed)
    shown = labels([cell.strategy for cell in timed])
    rows = [
        row for cell in timed for row in _rows(cell, machine, shown[cell.strategy], order, most)
    ]
    thinned = any(len(_medians(cell)) > most for cell in timed)
    kinds = [kind for kind in _COLOURS if any(row["kind"] == kind for row in rows)]
    end = max([*order.places.values(), *order.starts.values()])
    starts = list(order.starts.values())
    lives = {start: life for life, start in order.starts.items()}
    x = {"type": "quantitative", "scale": {"domain": [-1, end + 1], "nice": False},
         "axis": {"title": "rounds of each life, in the order of time", "grid": False,
                  "values": starts[:: -(-len(starts) // _LIFE_LABELS)], "labelAlign": "left",
                  "labelExpr": f"'life ' + ({lives})[datum.value]"}}  # fmt: skip
    y = {"field": "strategy", "type": "nominal", "sort": list(shown.values()),
         "scale": {"domain": list(shown.values()), "paddingInner": 0.12},
         "axis": {"title": None, "grid": True, "tickBand": "extent"}}  # fmt: skip
    low, high = _strip(rows)
    offset = {"type": "quantitative", "scale": {"domain": [high, low], "clamp": True,
                                                "nice": False}}  # fmt: skip
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": [{"x": start - 0.5} for start in starts]},
            "mark": {"type": "rule", "color": theme.GREY, "strokeWidth": 0.7, "clip": True},
            "encoding": {"x": {**x, "field": "x"}},
        },
        {
            "data": {"values": [{"strategy": name, "one": 1} for name in shown.values()]},
            "mark": {"type": "rule", "color": theme.GREY, "strokeWidth": 0.7,
                     "strokeDash": [2, 3]},
            "encoding": {"y": y, "yOffset": {**offset, "field": "one"}},
        },
        {
            "data": {"values": rows},
            "params": [
                {"name": "kind", "select": {"type": "point", "fields": ["kind"]},
                 "bind": "legend"},
                {"name": "zoom", "bind": "scales",
                 "select": {"type": "interval", "encodings": ["x"],
                            "zoom": "wheel![event.shiftKey]"}},
            ],
            "mark": {"type": "point", "filled": True, "size": 22, "clip": True},
            "encoding": {
                "x": {**x, "field": "x"},
                "y": y,
                "yOffset": {**offset, "field": "relative"},
                "color": {"field": "kind", "type": "nominal",
                          "scale": named_colours({kind: _COLOURS[kind] for kind in kinds})},
                "shape": {"field": "kind", "type": "nominal",
                          "scale": {"domain": kinds,
                                    "range": [_SHAPES[kind] for kind in kinds]}},
                "opacity": {"condition": {"param": "kind", "empty": True, "value": 0.85},
                            "value": 0.08},
                "tooltip": [
                    {"field": "strategy", "type": "nominal"},
                    {"field": "kind", "type": "nominal", "title": "turn"},
                    {"field": "life", "type": "quantitative"},
                    {"field": "round", "type": "nominal"},
                    {"field": "ms", "type": "quantitative", "title": "median ms",
                     "format": ".3~f"},
                    {"field": "relative", "type": "quantitative", "title": "÷ cell's median",
                     "format": ".2f"},
                ],
            },
        },
    ]  # fmt: skip
    says = (
        "One point a turn: its median step against the median of all turns of that strategy (the "
        f"dotted line), from {low:g} at the bottom of a strip to {high:g} at its top; what lies "
        "beyond is at the edge. Each life is a fresh process. What slows all strips at once was "
        "the machine."
    )
    if thinned:
        says += " Long series are thinned: the most unusual turn of each few is shown."
    return Chart(
        "Raw samples over time",
        says,
        {
            "width": 820,
            "height": max(len(timed), 2) * _ROW_HEIGHT,
            "autosize": {"type": "fit-x", "contains": "padding"},
            "layer": layers,
            "config": theme.config(),
        },
        pixels=True,
        wide=True,
    )


def _strip(rows: list[Row]) -> tuple[float, float]:
    """The range of a strip: it holds nearly all turns, and is the same for all strips."""
    values = sorted(row["relative"] for row in rows if row["kind"] != "warm-up")
    beyond = int((1 - _WITHIN) / 2 * len(values))
    low, high = values[beyond], values[-1 - beyond]
    return (
        max(_WIDEST[0], min(_NARROWEST[0], floor(20 * low) / 20)),
        min(_WIDEST[1], max(_NARROWEST[1], ceil(20 * high) / 20)),
    )


def _order(cells: list[Cell]) -> _Order:
    turns = sorted({turn for cell in cells for turn in _turns(cell)})
    places: dict[tuple[int, int], int] = {}
    starts: dict[int, int] = {}
    at = 0
    for turn in turns:
        if turn[0] not in starts:
            starts[turn[0]] = at
            at += 1
        places[turn] = at
        at += 1
    return _Order(places, starts)


def _turns(cell: Cell) -> list[tuple[int, int]]:
    return list(zip(cell.origin.life, cell.origin.round, strict=True))


def _medians(cell: Cell) -> dict[tuple[int, int], float]:
    """Seconds of each turn; like all figures, without its first step where there are more."""
    steps: dict[tuple[int, int], list[float]] = {}
    for turn, seconds in zip(_turns(cell), cell.samples.total, strict=True):
        steps.setdefault(turn, []).append(seconds)
    return {turn: median(times[1:] or times) for turn, times in steps.items()}


def _rows(cell: Cell, machine: Machine, label: str, order: _Order, most: int) -> list[Row]:
    turns = _medians(cell)
    usual = median(turns.values())
    kinds = {
        (turn.life, turn.round): _kind(found)
        for turn, found in zip(cell.interference, marks(cell, machine), strict=True)
    }
    rows = [
        _row(label, kinds.get(turn, "usual"), order.places[turn], turn, seconds, usual)
        for turn, seconds in turns.items()
    ]
    return _thinned(rows, most) + [
        _row(label, "warm-up", order.starts[life], (life, None), seconds, usual)
        for life, seconds in _warmups(cell).items()
        if life in order.starts
    ]


def _kind(found: Marks) -> str:
    """How a turn is drawn. The kernel takes the processor away now and then on any machine."""
    if "throttled" in found:
        return "throttled"
    return "disturbed" if found - {"involuntary switches"} else "usual"


def _warmups(cell: Cell) -> dict[int, float]:
    """The median step of each life's warm-up."""
    if cell.warmup is None:
        return {}
    steps: dict[int, list[float]] = {}
    for life, seconds in zip(cell.warmup.life, cell.warmup.samples.total, strict=True):
        steps.setdefault(life, []).append(seconds)
    return {life: median(times) for life, times in steps.items()}


def _row(
    label: str, kind: str, x: int, turn: tuple[int, int | None], seconds: float, usual: float
) -> Row:
    life, round_ = turn
    return {
        "strategy": label,
        "kind": kind,
        "x": x,
        "life": life,
        "round": "before the first" if round_ is None else str(round_ + 1),
        "ms": round(seconds / MILLI, 4),
        "relative": round(seconds / usual, 3) if usual else 1.0,
    }


def _thinned(rows: list[Row], most: int) -> list[Row]:
    """At most `most` rows: of each few that follow one another the one farthest from usual."""
    few = -(-len(rows) // most)
    if few <= 1:
        return rows
    return [
        max(rows[start : start + few], key=lambda row: abs(row["relative"] - 1))
        for start in range(0, len(rows), few)
    ]
