"""The words of a comparison, shared by all its forms: figures, rankings, what is never beaten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.collection.compared import METRICS
from bench.collection.labels import UNTELLING
from bench.names import printable, shorten
from bench.report.reading import SIGNS
from bench.report.units import ABSENT, TIMES, mebibytes, milliseconds, ratio_within, share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.collection.compared import Agreement, Compared, Comparison, Figures
    from bench.records import Interval

ABSOLUTE = "absolute, not comparable beyond its machine"

_METRIC_WORDS = {"total": "total time", "peak_bytes": "peak memory", "joules": "energy"}
_FOR_MACHINES = ("schema", "switches")  # must be equal, and tell a reader nothing
_NAME_WIDTH = 48
_SHOWN = 4  # names or columns that a sentence lists


def ratio_of(figures: Figures, phase: str) -> Interval | None:
    """The ratio to `full` in a phase."""
    return figures.total if phase == "total" else figures.backward


def ideal_of(figures: Figures, phase: str) -> float | None:
    """The ratio that the FLOPs alone would allow in a phase."""
    return figures.ideal_total if phase == "total" else figures.ideal_backward


def seconds_of(figures: Figures, phase: str) -> Interval | None:
    """Seconds a step in a phase."""
    return figures.seconds if phase == "total" else figures.backward_seconds


def within(value: Interval | None) -> str:
    """A ratio with half its interval: `0.34 ±0.02`; `0.34 ±?` where the interval is unknown."""
    text = ratio_within(value)
    return f"{text} ±?" if value is not None and "±" not in text else text


def milliseconds_of(figures: Figures | None, phase: str) -> str:
    """Absolute time of a step: `9.03 ms`."""
    known = None if figures is None else seconds_of(figures, phase)
    return ABSENT if known is None else f"{milliseconds(known, bounds=False)} ms"


def peak_of(figures: Figures | None) -> str:
    """Absolute peak memory: `8.52 MiB`."""
    known = None if figures is None else figures.peak_bytes
    return ABSENT if known is None else f"{mebibytes(known)} MiB"


def signed(figures: Figures | None, phase: str) -> str:
    """A cell with the sign of its verdict first: `✓ 0.34 ±0.02`."""
    if figures is None:
        return ABSENT
    known = ratio_of(figures, phase)
    told = figures.verdict if known is None and figures.verdict != "ok" else within(known)
    return f"{SIGNS[figures.verdict]} {told}"


def headings(comparison: Comparison, places: Sequence[int]) -> dict[int, list[str]]:
    """The parts of each column's label that tell it apart from those beside it, the axis first."""
    parts = {place: comparison.columns[place].label.split(" · ") for place in places}
    if len({len(each) for each in parts.values()}) != 1 or len(parts) < 2:
        return parts
    differ = [len(set(alike)) > 1 for alike in zip(*parts.values(), strict=True)]
    return {
        place: [text for at, text in enumerate(each) if differ[at] or at == 0]
        for place, each in parts.items()
    }


def sentences(compared: Compared, comparison: Comparison, phase: str) -> list[str]:
    """What the figures of a workload say: ranking, what is unbeaten, what the FLOPs would allow."""
    said = (
        differing(compared, comparison),
        ranking(compared, comparison),
        never_beaten(compared),
        achieved(compared, comparison, phase),
    )
    return [f"{sentence[0].upper()}{sentence[1:]}" for sentence in said if sentence]


def differing(compared: Compared, comparison: Comparison) -> str:
    """Where freezing pays more in one column than in another."""
    if not compared.apart:
        return ""
    told = []
    for each in compared.apart[:_SHOWN]:
        sides = [
            f"{share(total.value)}{TIMES} ({_label(comparison, place)})"
            for place in (each.one, each.other)
            if (total := compared.figures[each.strategy, place].total) is not None
        ]
        told.append(f"{_short(each.strategy)} {' and '.join(sides)}")
    rest = len(compared.apart) - len(told)
    more = f"; and {rest} more" if rest > 0 else ""
    return f"total times that differ by more than the noise within runs: {'; '.join(told)}{more}."


def ranking(compared: Compared, comparison: Comparison) -> str:
    """Whether the columns rank the strategies alike."""
    known = [each for each in compared.agreements if each.tau is not None]
    if not known:
        if len(compared.columns) < 2:
            return ""
        return "no two strategies are ok in two columns, so there is no ranking to compare."
    if len(known) == 1:
        return _pair(known[0])
    changed = [each for each in known if each.swapped]
    worst = min(known, key=lambda each: each.tau if each.tau is not None else 0.0)
    labels = " and ".join(_label(comparison, place) for place in (worst.one, worst.other))
    if changed:
        head = (
            f"the ranking changes beyond doubt in {len(changed)} of {len(known)} pairs of columns"
            f" (most often {_swap(changed)})"
        )
    elif all(each.in_doubt == 0 for each in known):
        head = f"the ranking is the same beyond doubt in all {len(known)} pairs of columns"
    else:
        head = (
            f"in none of {len(known)} pairs of columns is it beyond doubt that the ranking "
            "changes, nor in all that it doesn't"
        )
    return f"{head}; least alike are {labels}, {_tau(worst)}."


def never_beaten(compared: Compared) -> str:
    """Which strategies none other beats, and in what."""
    fronts = [compared.unbeaten.get(place, []) for place in compared.columns]
    if not any(fronts):
        return "no strategy is ok, so none is ranked."
    metrics = _metrics(compared)
    where = f"in any of {len(fronts)} columns" if len(fronts) > 1 else "here"
    if compared.always_unbeaten:
        names = _named(compared.always_unbeaten)
        return f"never beaten {where} by {metrics}: {names}."
    return f"each strategy is beaten in some column, going by {metrics}."


def achieved(compared: Compared, comparison: Comparison, phase: str) -> str:
    """What the fastest strategy of each column takes, beside what the FLOPs would allow."""
    told = []
    for place in compared.columns:
        timed = [
            (known.value, each)
            for (_, column), each in compared.figures.items()
            if column == place
            and each.verdict == "ok"
            and (known := ratio_of(each, phase)) is not None
        ]
        if not timed:
            continue
        value, best = min(timed, key=lambda pair: pair[0])
        ideal = ideal_of(best, phase)
        allowed = "" if ideal is None else f", the FLOPs allow {share(ideal)}{TIMES}"
        fastest = f"{_short(best.strategy)} {share(value)}{TIMES}{allowed}"
        told.append(f"{_label(comparison, place)}: {fastest}")
    if not told:
        return ""
    rest = len(told) - _SHOWN
    more = f"; and {rest} more columns" if rest > 0 else ""
    what = "step" if phase == "total" else "backward pass"
    return f"the fastest {what} by column, relative to full: {'; '.join(told[:_SHOWN])}{more}."


def how_to_read(phase: str) -> str:
    """What the figures are."""
    what = "the time of a step" if phase == "total" else "the time of the backward pass"
    return (
        f"Ratios are {what} relative to full of the same run, ± the larger half of the 95% "
        "interval. τ is Kendall's, of the total time of the strategies that are ok in both "
        "columns; its interval lets every pair go either way whose order is in doubt. Noise "
        "between runs is in no interval here: freezebench history shows it."
    )


def settings(compared: Compared) -> str:
    """What all columns of a workload have in common, on one line."""
    known = {
        name: value
        for name, value in compared.settings.items()
        if value not in UNTELLING and name not in _FOR_MACHINES
    }
    return " · ".join(f"{name.replace('_', '-')} {value}" for name, value in known.items())


def _pair(agreement: Agreement) -> str:
    pairs = "1 pair" if agreement.pairs == 1 else f"{agreement.pairs} pairs"
    doubt = f"{agreement.in_doubt} of {pairs} of strategies in doubt"
    if agreement.swapped:
        head = f"the ranking changes: {_swaps(agreement.swapped)} swap places beyond doubt"
    elif agreement.in_doubt == 0:
        head = f"both columns rank the strategies alike beyond doubt, in all of {pairs}"
        return f"{head} ({_tau(agreement)})."
    elif agreement.in_doubt == agreement.pairs:
        each = "the only pair" if agreement.pairs == 1 else f"all {pairs}"
        return f"which strategy is faster is in doubt for {each} ({_tau(agreement)})."
    else:
        head = "no change of ranking is beyond doubt"
    return f"{head} ({_tau(agreement)}, {doubt})."


def _tau(agreement: Agreement) -> str:
    if agreement.tau is None or agreement.low is None or agreement.high is None:
        return "τ unknown"
    return f"τ = {agreement.tau:.2f} [{agreement.low:.2f}, {agreement.high:.2f}]"


def _swap(agreements: Sequence[Agreement]) -> str:
    counts: dict[tuple[str, str], int] = {}
    for each in agreements:
        for pair in each.swapped:
            counts[pair] = counts.get(pair, 0) + 1
    return _swaps([max(counts, key=lambda pair: counts[pair])])


def _swaps(pairs: Sequence[tuple[str, str]]) -> str:
    rest = len(pairs) - _SHOWN
    shown = [f"{_short(one)} and {_short(other)}" for one, other in pairs[:_SHOWN]]
    return ", ".join(shown) + (f", and {rest} more pairs" if rest > 0 else "")


def _metrics(compared: Compared) -> str:
    """What every cell that is ok was measured in: one that is only sometimes known is not named."""
    sound = [each for each in compared.figures.values() if each.verdict == "ok"]
    known = [
        _METRIC_WORDS[name]
        for name in METRICS
        if all(getattr(each, name) is not None for each in sound)
    ]
    if not known:
        return "what each was measured in"
    return f"{', '.join(known[:-1])} and {known[-1]}" if len(known) > 1 else known[0]


def _label(comparison: Comparison, place: int) -> str:
    """A column's label; its number, as in the table's head, where that would have to be cut."""
    label = printable(comparison.columns[place].label)
    return label if len(label) <= _NAME_WIDTH else f"[{place + 1}]"


def _named(names: Sequence[str]) -> str:
    return ", ".join(_short(name) for name in names)


def _short(name: str) -> str:
    return shorten(printable(name), _NAME_WIDTH)
