"""Colours and type of the charts: names that the style sheet gives a value in each theme.

A chart's SVG holds `var(--ink)` instead of a colour, so dark and light need no second drawing.
Marks are those of Okabe and Ito's colours that keep a contrast of 3:1 with their ground ("Color
universal design", 2008); greys stand for the rest. Where a picture has no style sheet around it
(PNG), `painted` puts the values in.
"""

from __future__ import annotations

from typing import Any

INK, MUTED, RULE, GROUND = "var(--ink)", "var(--muted)", "var(--rule)", "var(--ground)"
BLUE, VERMILION = "var(--blue)", "var(--vermilion)"
GREEN, PURPLE = "var(--green)", "var(--purple)"
GREY, DARK_GREY = "var(--grey)", "var(--dark-grey)"

LIGHT = {
    "ink": "#1f2328",
    "muted": "#59616c",
    "rule": "#dfe3e8",
    "ground": "#ffffff",
    "grey": "#8a919c",
    "dark-grey": "#59616c",
    "blue": "#0072b2",
    "vermilion": "#d55e00",
    "green": "#009e73",
    "purple": "#cc79a7",
}
DARK = {
    "ink": "#e6e9ed",
    "muted": "#a3abb6",
    "rule": "#333a43",
    "ground": "#14171b",
    "grey": "#8a919c",
    "dark-grey": "#a9b0ba",
    "blue": "#56b4e9",
    "vermilion": "#d55e00",
    "green": "#009e73",
    "purple": "#cc79a7",
}

FADED = 0.4
"""Opacity of what is no result to go by, since the verdict is not `ok`."""

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def config() -> dict[str, Any]:
    """Vega-Lite's `config` that all charts share."""
    return {
        "aria": False,
        "background": None,
        "font": _FONT,
        "padding": {"left": 12, "right": 2, "top": 4, "bottom": 2},
        "view": {"stroke": None},
        "text": {"color": INK, "fontSize": 11},
        "axis": {
            "labelColor": INK,
            "titleColor": MUTED,
            "titleFontWeight": "normal",
            "titleFontSize": 11,
            "titlePadding": 8,
            "labelFontSize": 11.5,
            "labelLimit": 190,
            "labelOverlap": "greedy",
            "labelSeparation": 6,
            "domainColor": RULE,
            "tickColor": RULE,
            "gridColor": RULE,
        },
        "axisY": {"domain": False, "ticks": False, "labelPadding": 8},
        "legend": {
            "labelColor": INK,
            "titleColor": MUTED,
            "labelFontSize": 11.5,
            "labelLimit": 220,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
            "orient": "top",
            "title": None,
            "symbolStrokeWidth": 1.5,
            "symbolOpacity": 1,
            "columnPadding": 14,
            "offset": 10,
        },
    }


def painted(spec: Any, colours: dict[str, str]) -> Any:
    """`spec` with every `var(--name)` replaced by that colour."""
    if isinstance(spec, dict):
        return {key: painted(value, colours) for key, value in spec.items()}
    if isinstance(spec, list):
        return [painted(value, colours) for value in spec]
    if isinstance(spec, str) and spec.startswith("var(--") and spec.endswith(")"):
        return colours.get(spec[6:-1], spec)
    return spec
