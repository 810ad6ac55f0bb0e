"""The same lives judged by what people use now: two runs, measured at different times.

A run is one process, or several where the tool takes several: the wall-clock times of the base in
some lives, against those of the head in others. Being parts of lives in turns, the steps of such a
run are spread over four times as long as they would take alone; short bursts hit them less than
they would hit the tool's own run.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Literal

from scipy.stats import mannwhitneyu, ttest_ind

from bench.study.rates import Rate, rate

if TYPE_CHECKING:
    from bench.gate.time.record import Life

Turns = list[list[float]]
"""Of one process: turns of steps, in seconds of the wall clock."""

Rule = Callable[[Sequence[Turns], Sequence[Turns]], bool]
"""Whether the tool calls the head slower, from the processes of the base and of the head."""

PYPERF_VALUES, PYPERF_TURNS = 3, 4
ASV_SAMPLES = 5


@dataclass(frozen=True)
class Rival:
    """A tool with its usual setting.

    Attributes:
        rule: whether it alarms.
        processes: that it starts for one run; fewer where the trace has too few lives.
        when: the head's run is at `another time`, or `next` to the base's, the life after.
    """

    rule: Rule
    processes: int = 1
    when: Literal["another time", "next"] = "another time"


def steps(processes: Sequence[Turns]) -> list[float]:
    """All steps of a run."""
    return [step for turns in processes for turn in turns for step in turn]


def compare_fail(statistic: Callable[[list[float]], float], percentage: int) -> Rule:
    """pytest-benchmark's `--benchmark-compare-fail=mean:5%` and the like.

    `PercentageRegressionCheck` (pytest_benchmark/utils.py) fails where the statistic of the new
    run's rounds, as a percentage of the stored one, is more than the threshold above 100. A round
    is a step here, as it is of calls that take milliseconds.
    """

    def rule(base: Sequence[Turns], head: Sequence[Turns]) -> bool:
        change = statistic(steps(head)) / statistic(steps(base)) * 100 - 100
        return change > percentage

    return rule


def pyperf_compare(base: Sequence[Turns], head: Sequence[Turns]) -> bool:
    """The `compare_to` of pyperf: significant, and slower.

    `is_significant` (pyperf/_utils.py) is Student's t-test of two samples of equal size with pooled
    variance, two-sided at 95%. The values are of all processes together, three of each after one to
    warm up, each a mean over 0.1 s at least: four turns here.
    """
    values = [
        [
            fmean(steps([turns[first : first + PYPERF_TURNS]]))
            for turns in run
            for first in _starts()
        ]
        for run in (base, head)
    ]
    slower = fmean(values[1]) > fmean(values[0])
    if not slower:
        return False
    if len({*values[0]}) == len({*values[1]}) == 1:
        return True  # no variance at all; pyperf takes the error that follows for significant
    return bool(ttest_ind(values[1], values[0]).pvalue <= 0.05)


def _starts() -> range:
    """Where the values of a process start: the first chunk warms up."""
    return range(PYPERF_TURNS, PYPERF_TURNS * (PYPERF_VALUES + 1), PYPERF_TURNS)


def mann_whitney(base: Sequence[Turns], head: Sequence[Turns]) -> bool:
    """The rank test of two stored runs, all steps, one-sided at 5%.

    Mann and Whitney, "On a test of whether one of two random variables is stochastically larger
    than the other", Annals of Mathematical Statistics 18 (1947).
    """
    return bool(mannwhitneyu(steps(head), steps(base), alternative="greater").pvalue < 0.05)


def asv_compare(base: Sequence[Turns], head: Sequence[Turns]) -> bool:
    """What asv has for `compare` and `continuous` with the default `--factor` of 1.1.

    `_is_result_better` (asv/commands/compare.py) wants the medians to differ by the factor, and
    `is_different` (asv/_stats.py) of the samples: Mann and Whitney's test, two-sided at 0.002. By
    default a benchmark has two rounds, each a process of its own, of five samples at most that take
    10 ms or more: a turn here. Ties, which asv takes conservatively, hardly occur.
    """
    samples = [
        [fmean(turn) for turns in run for turn in turns[:ASV_SAMPLES]] for run in (base, head)
    ]
    if not median(samples[0]) < median(samples[1]) / 1.1:
        return False
    return bool(mannwhitneyu(samples[1], samples[0]).pvalue < 0.002)


def alert(base: Sequence[Turns], head: Sequence[Turns]) -> bool:
    """github-action-benchmark with its default `alert-threshold` of 200%.

    It alerts where the new figure is more than twice the stored one (src/write.ts); the figure that
    it takes from pytest-benchmark is the reciprocal of the mean.
    """
    return fmean(steps(head)) / fmean(steps(base)) > 2.0


RIVALS: dict[str, Rival] = {
    **{
        f"pytest-benchmark {name}:{percentage}%": Rival(compare_fail(statistic, percentage))
        for name, statistic, percentage in (
            ("mean", fmean, 5),
            ("mean", fmean, 10),
            ("median", median, 5),
            ("median", median, 10),
            ("min", min, 5),
        )
    },
    "pyperf compare_to": Rival(pyperf_compare, processes=20),
    "Mann-Whitney, p < 0.05": Rival(mann_whitney),
    "asv, factor 1.1": Rival(asv_compare, processes=2),
    "github-action-benchmark 200%": Rival(alert),
    "one after the other, mean:5%": Rival(compare_fail(fmean, 5), when="next"),
}


def runs(lives: Sequence[Life], arm: str) -> list[Turns]:
    """What one process had to say in each life, in seconds."""
    return [
        [[sum(step) / 1e9 for step in turn] for turn in life.cells[0].arms[arm].wall]
        for life in lives
    ]


def processes_of(rival: Rival, lives: int) -> int:
    """How many processes a run of it has here: half of the lives at most."""
    return min(rival.processes, lives // 2)


def alarms(rival: Rival, lives: Sequence[Life], draws: int, seed: int) -> Rate:
    """How often it calls the head slower, over so many draws of base and head.

    No life is on both sides of a draw, nor twice on one.

    Raises:
        ValueError: there is but one life.
    """
    if len(lives) < 2:
        raise ValueError("two runs of different processes need two lives")
    drawn = random.Random(seed)
    base, head = runs(lives, "base"), runs(lives, "head")
    size = processes_of(rival, len(lives))
    places = range(len(lives))
    known: dict[tuple[int, ...], bool] = {}
    count = 0
    for _ in range(draws):
        if rival.when == "next":
            first = drawn.randrange(len(lives) - 1)
            chosen: tuple[int, ...] = (first, first + 1)
        else:
            chosen = tuple(drawn.sample(places, 2 * size))
        if chosen not in known:
            half = len(chosen) // 2
            known[chosen] = rival.rule(
                [base[place] for place in chosen[:half]], [head[place] for place in chosen[half:]]
            )
        count += known[chosen]
    return rate(count, draws)
