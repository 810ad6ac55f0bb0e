"""One file a chart: `draw(cells)` gives its specification, or `None` where nothing is to show."""

from __future__ import annotations
