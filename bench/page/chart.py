"""One chart: its specification, and what a reader is told about it in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.names import shorten
from bench.page import theme

Row = dict[str, Any]

NAME_WIDTH = 26
ROW_HEIGHT = 24


@dataclass(frozen=True)
class Chart:
    """A Vega-Lite chart.

    Attributes:
        title: what is shown.
        says: how to read it, in a sentence or two.
        spec: with its data inside; widths are for paper, a browser fits them to its column.
        pixels: whether the static form is a picture, since its marks are too many for SVG.
        wide: whether it wants the whole width of the page.
    """

    title: str
    says: str
    spec: dict[str, Any]
    pixels: bool = False
    wide: bool = False


def labels(names: list[str]) -> dict[str, str]:
    """Each name as an axis shows it: short, and told apart from the others."""
    shown: dict[str, str] = {}
    for name in names:
        label = short = shorten(name, NAME_WIDTH)
        count = 2
        while label in shown.values():
            label = f"{short} ({count})"
            count += 1
        shown[name] = label
    return shown


def layered(rows: int, layers: list[dict[str, Any]], columns: int | None = None) -> dict[str, Any]:
    """A chart of one horizontal row a strategy, `layers` over each other.

    Args:
        rows: strategies.
        layers: the first is the lowest.
        columns: of the legend, where one line is too short for it.
    """
    config = theme.config()
    if columns is not None:
        config["legend"]["columns"] = columns
    return {
        "width": 420,
        "height": max(rows, 2) * ROW_HEIGHT,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "layer": layers,
        "config": config,
    }


def strategies_axis(names: list[str]) -> dict[str, Any]:
    """The vertical axis: strategies in the order of the run."""
    return {
        "field": "strategy",
        "type": "nominal",
        "sort": names,
        "scale": {"domain": names},
        "axis": {"title": None, "grid": True, "tickBand": "extent"},
    }


def named_colours(colours: dict[str, str]) -> dict[str, Any]:
    """A colour scale with a name for each colour, in the order of the legend."""
    return {"domain": list(colours), "range": list(colours.values())}


def tooltip(*fields: str) -> list[dict[str, str]]:
    """A tooltip of ready-made texts."""
    return [{"field": name, "type": "nominal", "title": name} for name in fields]
