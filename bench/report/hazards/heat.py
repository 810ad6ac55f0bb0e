"""The hazard matrix as a picture: hazards by strategies, a colour, a sign and a figure each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.patches import Patch, Rectangle

from bench.report import look
from bench.report.hazards.words import SIGNS, by_theme, cells_of, figure, kinds, signed
from bench.report.sheet import MARGIN, captioned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.records import Hazard, Hazards, OutcomeKind

# By gravity: a broken freeze stands out most, what is only wasted or noisy the least.
FILLS: dict[OutcomeKind, str] = {
    "immune": look.VERDICT_FILLS["ok"],
    "moves": look.VERDICT_FILLS["diverges"],
    "severed": look.VERDICT_FILLS["severed"],
    "error": "#C3C8D0",
    "affected": "#FBF3C4",
    "not applicable": look.BAND,
    "broken": look.INK,
}
INKS: dict[OutcomeKind, str] = {
    "immune": look.VERDICT_INKS["ok"],
    "moves": "#7A3000",
    "severed": "#7A2455",
    "error": look.INK,
    "affected": "#5F5300",
    "not applicable": look.MUTED,
    "broken": "white",
}

_COLUMN, _ROW, _THEME, _PAD = 0.6, 0.245, 0.3, 0.08  # all lengths are inches
_NAME, _LONGEST = 2.0, 1.75
_SLANT = 55  # degrees of the strategies' names

_NOTE = (
    "Each row is a small training in which one thing is wrong, and what its figures are stands "
    "behind it. What moves is measured element by element, and the largest change is shown."
)


def draw(hazards: Hazards) -> Figure:
    """One panel, the hazards of a theme together."""
    with look.style():
        names = [look.fitted(name, _LONGEST, 8.5) for name in hazards.strategies]
        header = max(look.length(name, 8.5) for name in names) * 0.82 + 0.2
        themes = by_theme(hazards)
        unit = max((look.length(_units(hazards, one), 7.5) for one in hazards.hazards), default=0)
        rows = len(themes) * _THEME + len(hazards.hazards) * _ROW
        columns = len(names) * _COLUMN
        page = captioned(
            "What each hazard does to each strategy",
            _NOTE,
            f"{hazards.machine.cpu} · torch {hazards.machine.torch} · {len(hazards.hazards)} "
            f"hazards · {len(names)} strategies",
            max(MARGIN + _NAME + columns + max(header * 0.75, unit + 0.15) + MARGIN, 7.5),
            [
                (Patch(fc=FILLS[kind], ec=look.RULE, lw=0.5), f"{SIGNS[kind]} {kind}")
                for kind in kinds(hazards)
            ],
        )
        drawn = page.figure(header + rows + _PAD)
        width, height = drawn.get_size_inches()
        axes = drawn.add_axes(
            (
                (MARGIN + _NAME) / width,
                page.foot / height,
                columns / width,
                rows / height,
            )
        )
        axes.set(xlim=(0, columns), ylim=(rows, 0))
        axes.axis("off")
        for place, name in enumerate(names):
            axes.text((place + 0.42) * _COLUMN, -0.06, name, rotation=_SLANT, fontsize=8.5,
                      ha="left", va="bottom", rotation_mode="anchor")  # fmt: skip
        top = 0.0
        for theme, members in themes:
            axes.text(-_NAME, top + _THEME - 0.06, look.drawable(theme), fontsize=9,
                      fontweight="bold", va="bottom")  # fmt: skip
            top += _THEME
            for hazard in members:
                _row(axes, hazards, hazard, top)
                top += _ROW
        return drawn


def _row(axes: Axes, hazards: Hazards, hazard: Hazard, top: float) -> None:
    middle = top + _ROW / 2
    axes.text(-0.1, middle, look.fitted(hazard.name, _NAME - 0.1, 8.5), fontsize=8.5, ha="right",
              va="center")  # fmt: skip
    cells = cells_of(hazards, hazard.name)
    for place, name in enumerate(hazards.strategies):
        outcome = cells[name].outcome
        left = place * _COLUMN
        axes.add_patch(
            Rectangle((left, top), _COLUMN, _ROW, fc=FILLS[outcome.kind], ec="white", lw=1.5)
        )
        axes.text(left + _COLUMN / 2, middle, look.drawable(signed(outcome)), fontsize=7.5,
                  ha="center", va="center", color=INKS[outcome.kind])  # fmt: skip
    right = len(hazards.strategies) * _COLUMN
    axes.text(right + 0.1, middle, _units(hazards, hazard), fontsize=7.5, va="center",
              color=look.MUTED)  # fmt: skip


def _units(hazards: Hazards, hazard: Hazard) -> str:
    """What the figures of a row are, whole: the sheet is as wide as the longest asks for."""
    cells = cells_of(hazards, hazard.name).values()
    units = dict.fromkeys(cell.outcome.unit for cell in cells if figure(cell.outcome))
    return look.drawable(", ".join(filter(None, units)))
