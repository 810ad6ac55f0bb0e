"""From the samples of a cell to its figures: medians of turns, ratios within rounds, intervals.

The ratio of a cell to `full` is taken within a round: the two had their turns within moments of
each other, so what slowed the machine down slowed both. The median of a turn stands for the turn;
the rounds of a life, and then the lives, are averaged on the logarithm.
"""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from bench.records import PHASES, Counters, Interval, Phase, Summary
from bench.stats import Estimate, grouped_mean

if TYPE_CHECKING:
    from bench.records import Cell, Origin

HEAVY = ("rnn", "lstm", "gru", "fft", "attention")
"""Parts of the names of operators that would outweigh all others, and have no FLOP formula."""

Turns = dict[tuple[int, int], float]
"""Median seconds of each turn, by life and round."""

LAUNCH_BOUND = 0.9
"""Host time over device time from which a step is bound by launching its kernels."""


def summarize(cell: Cell, full: Cell | None, precision: float, *, fills: bool) -> Summary | None:
    """The figures of `cell`; `None` where it has no samples.

    Args:
        cell: with raw samples.
        full: the reference of the same group, for ratios.
        precision: relative half-width that the ratios of backward and total shall reach.
        fills: whether the first step on each batch does extra work; it is told apart.
    """
    if not cell.samples.total:
        return None
    phases: dict[str, Phase] = {}
    precise = True
    for name in PHASES:
        turns = turn_medians(getattr(cell.samples, name), cell.origin)
        seconds = grouped_mean(by_life(_logs(turns))).exp()
        ratio = None
        if full is not None and cell.strategy != full.strategy:
            ratio = paired_ratio(turns, turn_medians(getattr(full.samples, name), full.origin))
            if name in ("backward", "total"):
                precise &= ratio is not None and ratio.relative_half_width <= precision
        phases[name] = Phase(_interval(seconds), None if ratio is None else _interval(ratio))
    host_seconds = _host_seconds(cell)
    return Summary(
        lives=len(set(cell.origin.life)),
        rounds=len(set(zip(cell.origin.life, cell.origin.round, strict=True))),
        phases=phases,
        ideal=ideal_ratios(cell.counters, full.counters) if full is not None else {},
        precise=precise,
        fill_seconds=_fill_seconds(cell) if fills else None,
        host_seconds=host_seconds,
        launch_bound=(
            host_seconds >= LAUNCH_BOUND * phases["total"].seconds.value
            if host_seconds is not None
            else None
        ),
    )


def turn_medians(samples: list[float], origin: Origin) -> Turns:
    """The median of each turn, its first step (colder than the others) left out if it has more."""
    turns: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    for seconds, life, round_ in zip(samples, origin.life, origin.round, strict=True):
        turns[life, round_].append(seconds)
    return {turn: median(steps[1:] or steps) for turn, steps in turns.items()}


def paired_ratio(turns: Turns, reference: Turns) -> Estimate | None:
    """The ratio of two cells over the rounds in which both had a turn; `None` without one."""
    shared = [turn for turn in turns if turn in reference]
    if not shared:
        return None
    return grouped_mean(
        by_life({turn: np.log(turns[turn] / reference[turn]) for turn in shared})
    ).exp()


def by_life(values: Turns) -> list[list[float]]:
    """The values of each life's rounds."""
    lives: defaultdict[int, list[float]] = defaultdict(list)
    for (life, _), value in values.items():
        lives[life].append(value)
    return list(lives.values())


def ideal_ratios(counters: Counters, full: Counters) -> dict[str, float]:
    """The ratio to `full` that FLOPs alone would allow, for `backward` and `total`."""
    if any(part in name for name in counters.uncounted_operators for part in HEAVY):
        return {}
    if None in (
        counters.forward_flops,
        counters.backward_flops,
        full.forward_flops,
        full.backward_flops,
    ):
        return {}
    backward, whole = full.backward_flops, (full.forward_flops or 0) + (full.backward_flops or 0)
    ideal = {}
    if backward:
        ideal["backward"] = (counters.backward_flops or 0) / backward
    if whole:
        mine = (counters.forward_flops or 0) + (counters.backward_flops or 0)
        ideal["total"] = mine / whole
    return ideal


def _logs(turns: Turns) -> Turns:
    return {turn: float(np.log(seconds)) for turn, seconds in turns.items()}


def _interval(estimate: Estimate) -> Interval:
    return Interval(estimate.mean, estimate.low, estimate.high)


def _host_seconds(cell: Cell) -> float | None:
    """What the host takes to enqueue a step, from the first step of each turn.

    That one finds the queue empty; later ones may wait for room in it, which is the device's time.
    A loss scale asks the device for a value in every step, so there is no such figure.
    """
    host = cell.host_samples
    if host is None or cell.dtype == "float16":
        return None
    first = [
        seconds
        for seconds, position in zip(host.total, cell.origin.position, strict=True)
        if position == 0
    ]
    return median(first) if first else None


def _fill_seconds(cell: Cell) -> float | None:
    """Median extra forward time of the steps that met a batch for the first time.

    The very first step of a life, which warms up other things too, counts only where there is no
    other.
    """
    if cell.warmup is None:
        return None
    usual = median(cell.samples.forward)
    extra = []
    warmup = cell.warmup
    for step, first in enumerate(warmup.first_on_batch):
        opening = step == 0 or warmup.life[step] != warmup.life[step - 1]
        if first:
            extra.append((opening, warmup.samples.forward[step] - usual))
    later = [seconds for opening, seconds in extra if not opening]
    chosen = later or [seconds for _, seconds in extra]
    return max(0.0, median(chosen)) if chosen else None
