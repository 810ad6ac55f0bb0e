"""What stands around a plot: title, legend, how to read it and where it was measured."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple

from bench.report import look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist

    from bench.records import Run

MARGIN = 0.2  # all lengths are inches
_TITLE, _LEGEND_LINE, _FOOT_LINE = 0.44, 0.2, 0.185
_CHARACTER = 0.066  # of the foot's text

Entry = tuple["Artist | tuple[Artist, ...]", str]


class Sheet(NamedTuple):
    """A figure without its plots; `head` and `foot` inches are taken at its top and bottom."""

    title: str
    entries: list[list[Entry]]
    foot_lines: list[tuple[str, str]]
    width: float

    @property
    def head(self) -> float:
        """Inches that title and legend take."""
        return _TITLE + len(self.entries) * _LEGEND_LINE

    @property
    def foot(self) -> float:
        """Inches that the note and the caption take."""
        return 1.3 * MARGIN + len(self.foot_lines) * _FOOT_LINE

    def figure(self, height: float) -> Figure:
        """The figure, `height` inches between head and foot."""
        whole = self.head + height + self.foot
        figure = Figure(figsize=(self.width, whole))
        left = MARGIN / self.width
        figure.text(left, 1 - 0.16 / whole, self.title, fontsize=12.5, fontweight="bold", va="top")
        for row, entries in enumerate(self.entries):
            handles: list[Any] = [handle for handle, _ in entries]
            figure.legend(
                handles,
                [label for _, label in entries],
                loc="upper left",
                bbox_to_anchor=(left, 1 - (_TITLE + row * _LEGEND_LINE) / whole),
                ncols=len(entries),
                borderpad=0,
                borderaxespad=0,
                handler_map={tuple: HandlerTuple(ndivide=1, pad=0)},
            )
        for line, (text, colour) in enumerate(reversed(self.foot_lines)):
            y = (0.7 * MARGIN + line * _FOOT_LINE) / whole
            figure.text(left, y, text, fontsize=8, color=colour, va="bottom")
        return figure


def sheet(run: Run, title: str, note: str, width: float, entries: Sequence[Entry] = ()) -> Sheet:
    """A sheet for the plots of one run, with where and how it was measured at its foot."""
    return captioned(title, note, look.caption(run), width, entries)


def captioned(
    title: str, note: str, caption: str, width: float, entries: Sequence[Entry] = ()
) -> Sheet:
    """A sheet `width` inches wide; legend, note and caption break into the lines they need."""
    characters = int((width - 2 * MARGIN) / _CHARACTER)
    lines = [(line, look.INK) for line in textwrap.wrap(note, characters)]
    lines += [(line, look.MUTED) for line in textwrap.wrap(caption, characters)]
    return Sheet(title, _rows(entries, width - 2 * MARGIN), lines, width)


def empty(run: Run, title: str) -> Figure:
    """What a run without cells gives."""
    figure = sheet(run, title, "", 7.5).figure(1.0)
    figure.text(0.5, 0.5, "The run holds no cell yet.", ha="center", color=look.MUTED)
    return figure


def _rows(entries: Sequence[Entry], width: float) -> list[list[Entry]]:
    """`entries` over as many rows as `width` inches ask for."""
    rows: list[list[Entry]] = []
    used = width
    for entry in entries:
        length = 0.45 + len(entry[1]) * 0.07
        if used + length > width or not rows:
            rows.append([])
            used = 0.0
        rows[-1].append(entry)
        used += length
    return rows
