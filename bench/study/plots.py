"""The study as pictures: operating curve, rivals, designs."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from bench.report import look
from bench.report.sheet import MARGIN, Sheet
from bench.study.aims import load_of
from bench.study.designs import DESIGNS
from bench.study.rivals import RIVALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.gate.time.record import Answer
    from bench.report.sheet import Entry
    from bench.study.findings import Findings, Scene

# All lengths are inches.
_WIDTH, _LEFT, _GAP, _RIGHT = 8.6, 0.75, 0.45, 0.25
_PANEL, _BETWEEN, _AXIS, _TITLE = 1.9, 0.3, 0.5, 0.25
_NAMES, _ROW, _SCALE = 2.5, 0.27, 0.3  # for the names of rows; a row; its axis
_CHARACTER = 0.066  # of the foot's text

_LOOKS = ((look.BLUE, "o"), (look.ORANGE, "s"), (look.VERMILION, "D"), (look.GREEN, "^"))
"""By number of neighbours; more than these look like the last."""

_APART = 0.0016  # between settings at the same slow-down
_OVER = 0.08  # beyond 0% and 100%


def operating(found: Findings) -> Figure | None:
    """Share of FAIL and CAN'T TELL against the slow-down; nothing without a trace to show."""
    scenes = [scene for scene in found.scenes if scene.fault in ("none", "total")]
    if not scenes:
        return None
    margins = list(dict.fromkeys(margin for scene in scenes for margin, _ in scene.tallies))
    answers: tuple[Answer, ...] = ("FAIL", "CAN'T TELL")
    real = [gate for gate, _ in found.real.values() if gate.fault in ("none", "total")]
    seen = [(one.neighbours, one.nominal) for one in scenes]
    seen += [(one.neighbours, one.nominal) for one in real]
    loads = _loads([neighbours for neighbours, _ in seen])
    most = max(nominal for _, nominal in seen)
    note = (
        "Against the slow-down of a whole step. Lines: gates over drawn lives, joined from one "
        "slow-down that was measured to the next."
        + (" Points: gates that were really run, with exact 95% intervals." if real else "")
        + " Dashed: the margin."
    )
    with look.style():
        page = _sheet("How often a gate fails, and how often it can't tell", note, loads, found)
        body = _TITLE + len(answers) * _PANEL + _BETWEEN + _AXIS
        figure = page.figure(body)
        width, whole = figure.get_size_inches()
        panel = (width - _LEFT - _RIGHT - _GAP * (len(margins) - 1)) / len(margins)
        for column, margin in enumerate(margins):
            for row, answer in enumerate(answers):
                bottom = page.foot + _AXIS + (len(answers) - 1 - row) * (_PANEL + _BETWEEN)
                left = _LEFT + column * (panel + _GAP)
                axes = figure.add_axes(
                    (left / width, bottom / whole, panel / width, _PANEL / whole)
                )
                _curves(axes, scenes, found, margin, answer, loads)
                _percent_axis(axes, "y")
                axes.set_xlim(-0.007, most + 0.012)
                axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol="%"))
                axes.axvline(margin, color=look.INK, lw=0.9, ls=(0, (3, 2)), zorder=1.5)
                if row == 0:
                    axes.set_title(f"margin {100 * margin:g}%", fontsize=9.5, fontweight="bold",
                                   loc="left", color=look.INK)  # fmt: skip
                if column == 0:
                    axes.set_ylabel(answer)
                else:
                    axes.tick_params(labelleft=False)
                if row == len(answers) - 1:
                    axes.set_xlabel("the head's slow-down")
                else:
                    axes.tick_params(labelbottom=False)
        return figure


def _curves(
    axes: Axes,
    scenes: Sequence[Scene],
    found: Findings,
    margin: float,
    answer: Answer,
    loads: dict[int, tuple[str, str]],
) -> None:
    for place, (neighbours, (colour, marker)) in enumerate(loads.items()):
        shift = _APART * (place - (len(loads) - 1) / 2)
        line = sorted(
            (scene.nominal + shift, scene.tallies[margin, "lives"].rates[answer].value)
            for scene in scenes
            if scene.neighbours == neighbours
        )
        xs, ys = [x for x, _ in line], [y for _, y in line]
        axes.plot(xs, ys, color=colour, lw=1.2, marker=".", ms=6, zorder=2)
        for gate, tally in found.real.values():
            seen = (gate.fault in ("none", "total"), gate.neighbours, gate.margin)
            if seen != (True, neighbours, margin):
                continue
            one, x = tally.rates[answer], gate.nominal + shift
            axes.vlines(x, one.low, one.high, colors=colour, lw=4, alpha=0.35, zorder=3)
            axes.scatter([x], [one.value], marker=marker, c=[colour], s=28, edgecolors="white",
                         lw=0.5, zorder=4, clip_on=False)  # fmt: skip


def rivals(found: Findings) -> Figure | None:
    """False alarms and power of every rule, side by side; nothing without equal sides."""
    equal = [scene for scene in found.scenes if scene.fault == "none"]
    slowed = [s for s in found.scenes if s.fault == "total" and 0.04 < s.nominal < 0.06]
    if not equal:
        return None
    panels = [("called slower, though equal", equal)]
    if slowed:
        panels.append((f"found, +{100 * slowed[0].nominal:g}%", slowed))
    margins = list(dict.fromkeys(margin for margin, _ in equal[0].tallies))
    names = [*RIVALS, *(f"this gate, margin {100 * margin:g}%" for margin in margins)]

    def values(scene: Scene) -> list[tuple[float, float, float]]:
        rates = [scene.rivals[name][0] for name in RIVALS]
        rates += [scene.tallies[margin, "lives"].rates["FAIL"] for margin in margins]
        return [(rate.value, rate.value, rate.value) for rate in rates]

    note = (
        "The same lives judged by what people use, two runs at different times, and by this gate. "
        "At the left a good judge is at 0%, at the right at 100%."
    )
    return _rows(
        found, "False alarms, and what was found", note, names, panels, values,
        lambda axes: _percent_axis(axes, "x"), bold=len(margins),
    )  # fmt: skip


def designs(found: Findings) -> Figure | None:
    """How the effects of equal lives scatter by design; nothing without equal sides."""
    equal = [scene for scene in found.scenes if scene.fault == "none"]
    if not equal:
        return None

    def values(scene: Scene) -> list[tuple[float, float, float]]:
        nan = float("nan")
        spreads = [scene.spreads.get(name) for name in DESIGNS]
        return [(nan,) * 3 if s is None else (s.deviation, s.low, s.high) for s in spreads]

    def axis(axes: Axes) -> None:
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=1, symbol="%"))

    note = (
        "The standard deviation of the head's effect from life to life, where both sides are the "
        "same; bars are its 95% intervals. Further left, fewer lives tell as much."
    )
    return _rows(
        found, "Spread of designs", note, list(DESIGNS), [("between equal lives", equal)], values,
        axis, bold=0,
    )  # fmt: skip


def _rows(
    found: Findings,
    title: str,
    note: str,
    names: Sequence[str],
    panels: Sequence[tuple[str, Sequence[Scene]]],
    values: Callable[[Scene], list[tuple[float, float, float]]],
    finish: Callable[[Axes], None],
    *,
    bold: int,
) -> Figure:
    """A row for each name, a panel for each set of traces; `values` are points with bounds."""
    loads = _loads([scene.neighbours for _, scenes in panels for scene in scenes])
    with look.style():
        page = _sheet(title, note, loads, found)
        tall = len(names) * _ROW
        figure = page.figure(_TITLE + tall + _SCALE)
        width, whole = figure.get_size_inches()
        panel = (width - _NAMES - _RIGHT - _GAP * (len(panels) - 1)) / len(panels)
        for column, (heading, scenes) in enumerate(panels):
            left = (_NAMES + column * (panel + _GAP)) / width
            bottom = (page.foot + _SCALE) / whole
            axes = figure.add_axes((left, bottom, panel / width, tall / whole))
            for scene in scenes:
                colour, marker = loads[scene.neighbours]
                step = 0.5 / max(1, len(loads))
                shift = step * (list(loads).index(scene.neighbours) - (len(loads) - 1) / 2)
                for row, (value, low, high) in enumerate(values(scene)):
                    axes.hlines(row + shift, low, high, colors=colour, lw=3, alpha=0.35, zorder=2)
                    axes.scatter([value], [row + shift], marker=marker, c=[colour], s=22,
                                 edgecolors="white", lw=0.5, zorder=3, clip_on=False)  # fmt: skip
            for row in range(0, len(names), 2):
                axes.axhspan(row - 0.5, row + 0.5, color=look.BAND, lw=0, zorder=0)
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.set_yticks(range(len(names)))
            axes.set_yticklabels([] if column else [look.drawable(name) for name in names])
            for label in axes.get_yticklabels()[len(names) - bold :]:
                label.set_fontweight("bold")
            axes.set_title(heading, fontsize=9.5, fontweight="bold", loc="left", color=look.INK)
            _plain(axes, "x")
            finish(axes)
        return figure


def _loads(neighbours: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Colour and marker of each setting."""
    return {one: _LOOKS[min(one, len(_LOOKS) - 1)] for one in sorted(set(neighbours))}


def _sheet(title: str, note: str, loads: dict[int, tuple[str, str]], found: Findings) -> Sheet:
    entries: list[Entry] = [
        (
            Line2D([], [], color=colour, marker=marker, lw=1.5, ms=5, mec="white", mew=0.5),
            load_of(neighbours),
        )
        for neighbours, (colour, marker) in loads.items()
    ]
    characters = int((_WIDTH - 2 * MARGIN) / _CHARACTER)
    foot = [(line, look.INK) for line in textwrap.wrap(note, characters)]
    told = [look.label(f"{machine.cpu} · torch {machine.torch}", 90) for machine in found.machines]
    told += [commit[:7] for commit in found.commits]
    foot += [(line, look.MUTED) for line in textwrap.wrap(" · ".join(told), characters)]
    return Sheet(title, [entries], foot, _WIDTH)


def _percent_axis(axes: Axes, which: str) -> None:
    one = axes.yaxis if which == "y" else axes.xaxis
    one.set_major_formatter(PercentFormatter(1, decimals=0, symbol="%"))
    (axes.set_ylim if which == "y" else axes.set_xlim)(-_OVER / 2, 1 + _OVER / 2)
    _plain(axes, which)


def _plain(axes: Axes, which: str) -> None:
    axes.tick_params(axis="x", length=3, width=0.8, bottom=True, color=look.RULE)
    axes.grid(axis="x" if which == "x" else "y", color=look.RULE, lw=0.6, zorder=0.5)
    axes.set_axisbelow(True)
    for name in ("top", "right", "left"):
        axes.spines[name].set_visible(False)
