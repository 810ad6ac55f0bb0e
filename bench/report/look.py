"""What all plots share: theme, colours, text that a font can show, and files without a date."""

from __future__ import annotations

import io
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Literal

import matplotlib as mpl
import seaborn as sns
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

from bench.names import shorten
from bench.report.reading import threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

    from bench.records import Run, Verdict

# Okabe and Ito, "Color universal design" (2008), told apart with any colour vision.
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
SKY, VERMILION, YELLOW = "#56B4E9", "#D55E00", "#F0E442"

INK, MUTED, RULE, BAND = "#1F2328", "#6B7280", "#D4D8DE", "#F4F5F7"

VERDICT_FILLS: dict[Verdict, str] = {
    "reference": "#E3E6EA",
    "ok": "#A6DCCB",
    "leaks": "#F6CF80",
    "severed": "#E5BCD2",
    "diverges": "#F0A880",
    "failed": "#8A919C",
}
VERDICT_INKS: dict[Verdict, str] = {
    "reference": MUTED,
    "ok": "#00694D",
    "leaks": "#8F5F00",
    "severed": "#96386C",
    "diverges": "#A84300",
    "failed": "#3F4650",
}

FADED = 0.4  # of a colour that stays where a cell isn't `ok`: its cost is no result to go by
DPI = 130


@contextmanager
def style() -> Iterator[None]:
    """Figures drawn and rendered inside look alike, whatever the caller's settings are."""
    with mpl.rc_context():
        mpl.rcParams.update(mpl.rcParamsDefault)
        mpl.rcParams.update(sns.axes_style("white"))
        mpl.rcParams.update(
            {
                "font.family": ["sans-serif"],
                "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
                "svg.fonttype": "none",
                "font.size": 9,
                "text.color": INK,
                "text.parse_math": False,
                "axes.labelcolor": INK,
                "axes.labelsize": 9,
                "axes.edgecolor": RULE,
                "axes.linewidth": 0.8,
                "xtick.color": MUTED,
                "xtick.labelsize": 8.5,
                "ytick.labelsize": 9,
                "hatch.linewidth": 0.7,
                "legend.frameon": False,
                "legend.fontsize": 8.5,
                "legend.handlelength": 1.2,
                "legend.handletextpad": 0.5,
                "legend.columnspacing": 1.4,
                "svg.hashsalt": "freezebench",
            }
        )
        yield


def render(figure: Figure, form: Literal["png", "svg"]) -> bytes:
    """The bytes of `figure`, the same for the same figure: without a date, a version or chance.

    Text stays text in SVG, so that it can be searched, selected and read aloud.
    """
    metadata = {"Software": None} if form == "png" else {"Date": None, "Creator": "freezebench"}
    stream = io.BytesIO()
    with style():
        figure.savefig(stream, format=form, dpi=DPI, metadata=metadata)
    return stream.getvalue()


def toned(colour: str, verdict: Verdict) -> tuple[float, float, float]:
    """`colour`, paler where `verdict` says that the figure is no result to go by.

    Mixed with white rather than made transparent, so that nothing shines through.
    """
    part = 1.0 if verdict in ("ok", "reference") else FADED
    red, green, blue = (1 - part * (1 - share) for share in to_rgb(colour))
    return red, green, blue


def label(name: str, width: int) -> str:
    """`name` in `width` characters, those that the font lacks as a replacement character."""
    return drawable(shorten(name, width))


def length(text: str, size: float, weight: str = "normal") -> float:
    """Inches that `text` takes at `size` points."""
    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    points: float = text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]
    return points / 72


def fitted(name: str, inches: float, size: float, weight: str = "normal") -> str:
    """`name` as long as it fits into `inches` at `size` points."""
    text = label(name, int(inches * 72 / size / 0.28))  # 0.28: the narrowest letters, in em
    while len(text) > 1 and (taken := length(text, size, weight)) > inches:
        text = label(name, min(len(text) - 1, int(len(text) * inches / taken)))
    return text


def drawable(text: str) -> str:
    """`text` with every character that the font lacks as a replacement character."""
    known = _characters()
    return "".join(one if one == "\n" or ord(one) in known else "\ufffd" for one in text)


@cache
def _characters() -> frozenset[int]:
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def caption(run: Run) -> str:
    """Where and how the figures were measured, on one line."""
    machine, request, project = run.machine, run.request, run.project
    accelerated = request.device != "cpu" and machine.accelerator is not None
    where = machine.accelerator if accelerated and machine.accelerator else machine.cpu
    batches = list(dict.fromkeys(cell.batch for cell in run.cells))
    batch = f"batch {batches[0]}" if len(batches) == 1 else "batch as given above"
    code = f"freezebench {project.version}"
    if project.commit is not None:
        code += f" ({project.commit[:7]})"
    parts = [where, f"torch {machine.torch}", request.dtype, threads(run), request.optimizer, code]
    if batches:
        parts.insert(2, batch)
    return " · ".join(label(part, 48) for part in parts)
