"""What a history says, in words that its forms share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.collection.changepoints import CONFIDENCE, LEAST_RUNS
from bench.names import shorten
from bench.report.units import places

if TYPE_CHECKING:
    from bench.collection.history import Change, History, Series

HOW_TO_READ = (
    "Ratios to full of the same machine and work, each with its 95% interval. A change is where "
    "PELT finds another level and Welch's test confirms it at "
    f"{CONFIDENCE:.0%} over all that is shown; its interval is a {CONFIDENCE:.0%} one of the "
    "difference at the place found, not corrected for the search. "
    "What differs there may be the reason, and may not."
)


def name(series: Series) -> str:
    """The cell of a series."""
    return f"{series.workload} × {series.strategy}"


def setting(series: Series) -> str:
    """Where and how, on one line."""
    settings = series.settings
    told = [
        series.machine,
        str(settings["device"]),
        str(settings["dtype"]),
        f"batch {settings['batch']}",
        f"{settings['threads']} thread{'s' * (settings['threads'] != 1)}",
        str(settings["optimizer"]),
    ]
    told += [word.replace("_", "-") for word in ("compile", "channels_last") if settings[word]]
    told += [f"freeze {' '.join(settings['freeze'])}"] if settings["freeze"] else []
    told += [f"weights {settings['weights']}"] if settings["weights"] else []
    told += [f"version {series.version[:8]}"] if series.version else []
    return ", ".join(told)


def percent(factor: float) -> str:
    """A factor as a change: `+5.1%`, `−12%`."""
    change = 100 * (factor - 1)
    digits = min(places(change, 2), 2)
    return f"{change:+.{digits}f}%".replace("-", "\u2212")


def by(change: Change) -> str:
    """How large a change is: `+5.1% [+4.2%, +6.0%]`."""
    low, high = change.factor.low, change.factor.high
    if low is None or high is None:
        return percent(change.factor.value)
    return f"{percent(change.factor.value)} [{percent(low)}, {percent(high)}]"


def sentence(series: Series, change: Change) -> str:
    """Where, by how much, and what else was another there."""
    reasons = ", ".join(change.differs) or "nothing that is recorded"
    return (
        f"{shorten(name(series), 80)}: {series.phase} ÷ full {by(change)} "
        f"between {change.before} and {change.after}; what differs there: {reasons}"
    )


def shortfall(history: History) -> str:
    """What is missing for change points; "" if nothing is."""
    short = [series for series in history.series if not series.is_long_enough]
    if not short:
        return ""
    most = max(len(series.points) for series in short)
    runs = f"{most} run{'s' * (most != 1)}"
    which = "This history has" if len(history.series) == 1 else f"{len(short)} series have at most"
    return f"{which} {runs}; change points need at least {LEAST_RUNS}."
