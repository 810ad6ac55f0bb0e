"""What an adapter at the input gains under each freezing strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from bench.report import look
from bench.report.claims.panel import panel
from bench.report.claims.words import mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bench.records import Claims
    from bench.report.sheet import Entry

_ROW, _NAMES = 0.24, 1.7  # inches


def draw(found: Claims) -> Figure | None:
    """A row for each strategy with its verdict; nothing where the experiment was not made."""
    noisy = found.denoising
    if noisy is None or not noisy.strategies:
        return None
    with look.style():
        verdicts = list(dict.fromkeys(one.verdict for one in noisy.strategies))
        entries: list[Entry] = [
            (Line2D([], [], color=look.VERDICT_INKS[one], marker="o", lw=3, ms=5), one)
            for one in verdicts
        ]
        note = (
            f"Accuracy after training less before, at noise {noisy.strategy_noise:g}, one layer, "
            f"by the same steps under each strategy. Means over {len(noisy.seeds)} seeds with 95% "
            "intervals. A severed adapter gets no gradient and stays where it was."
        )
        rows = noisy.strategies
        figure, axes = panel(
            found, "Which strategy trains an adapter at the input", note, entries,
            _ROW * len(rows), _NAMES,
        )  # fmt: skip
        for row, one in enumerate(rows):
            gain = mean([b - a for a, b in zip(one.before, one.after, strict=True)])
            colour = look.VERDICT_INKS[one.verdict]
            if gain.low is not None and gain.high is not None:
                axes.hlines(row, gain.low, gain.high, colors=colour, lw=4, alpha=0.35, zorder=2)
            axes.scatter([gain.value], [row], c=[colour], s=24, edgecolors="white", lw=0.5,
                         zorder=3)  # fmt: skip
            if row % 2 == 0:
                axes.axhspan(row - 0.5, row + 0.5, color=look.BAND, lw=0, zorder=0)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_yticks(range(len(rows)), [look.label(one.strategy, 24) for one in rows])
        axes.axvline(0, color=look.INK, lw=0.9, ls=(0, (3, 2)), zorder=1.5)
        axes.grid(axis="x", color=look.RULE, lw=0.6, zorder=0.5)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:+.0f}"))
        axes.set_xlabel("accuracy gained, in points")
        return figure
