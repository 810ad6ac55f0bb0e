"""What the gate was meant to reach, and whether it did."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose
from typing import TYPE_CHECKING, NamedTuple

from bench.study.coverage import LIVES, range_of
from bench.study.rates import percent, rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.gate.time.record import Answer
    from bench.study.findings import Findings
    from bench.study.rates import Rate
    from bench.study.resample import Kind

LONGEST = 180.0
"""Seconds of a gate of one workload."""

COVERED = (0.93, 0.97)
"""Of intervals that say 95%."""


@dataclass(frozen=True)
class Wanted:
    """How often an answer may, or must, be given; `idle` and `loaded` are the bounds."""

    aim: str
    fault: str
    nominal: float
    margin: float
    answer: Answer
    idle: float
    loaded: float
    most: bool

    def concerns(self, fault: str, nominal: float, margin: float) -> bool:
        """Whether gates of this kind say something about it."""
        return (
            fault == self.fault and isclose(nominal, self.nominal) and isclose(margin, self.margin)
        )

    def verdict(self, found: Rate, neighbours: int) -> str:
        """How what was found compares."""
        bound = self.loaded if neighbours else self.idle
        return at_most(found, bound) if self.most else at_least(found, bound)


WANTED = (
    Wanted(
        "equal sides: FAIL in 1 of 1,000 at most",
        "none", 0.0, 0.03, "FAIL", idle=0.001, loaded=0.001, most=True,
    ),
    Wanted(
        "+10% found in 99% at least",
        "total", 0.10, 0.03, "FAIL", idle=0.99, loaded=0.99, most=False,
    ),
    Wanted(
        "+5% found in 90% at least, with a margin of 2%",
        "total", 0.05, 0.02, "FAIL", idle=0.90, loaded=0.90, most=False,
    ),
    Wanted(
        "equal sides: CAN'T TELL in 5% at most idle, 25% beside neighbours",
        "none", 0.0, 0.03, "CAN'T TELL", idle=0.05, loaded=0.25, most=True,
    ),
)  # fmt: skip


_DRAWN: tuple[tuple[Kind, str], ...] = (("lives", "drawn"), ("forkers", "drawn by forker"))


class Aim(NamedTuple):
    """One aim seen in one place: what was found, and how that compares."""

    aim: str
    where: str
    found: str
    verdict: str


def load_of(neighbours: int) -> str:
    """How tables call so many neighbours."""
    if neighbours == 0:
        return "idle"
    return f"beside {neighbours} neighbour{'' if neighbours == 1 else 's'}"


def at_most(found: Rate, aim: float) -> str:
    """How a rate compares with the most that it may be."""
    if found.high <= aim:
        return "reached"
    if found.value <= aim:
        return f"reached, but up to {percent(found.high)} is possible"
    missed = f"missed by {points(found.value - aim)}"
    return missed if found.low > aim else f"{missed}, which chance may explain"


def at_least(found: Rate, aim: float) -> str:
    """How a rate compares with the least that it may be."""
    if found.low >= aim:
        return "reached"
    if found.value >= aim:
        return f"reached, but as little as {percent(found.low)} is possible"
    missed = f"missed by {points(aim - found.value)}"
    return missed if found.high < aim else f"{missed}, which chance may explain"


def points(difference: float) -> str:
    """A difference of two percentages: `0.3 points`, `12 points`."""
    shown = 100 * difference
    return f"{shown:.{0 if shown >= 10 else 1 if shown >= 1 else 2}f} points"


def aims(found: Findings) -> list[Aim]:
    """Every aim, everywhere that it can be seen."""
    return [
        *(aim for wanted in WANTED for aim in _of_answers(found, wanted)),
        *_of_time(found),
        *_of_coverage(found),
    ]


def _of_answers(found: Findings, wanted: Wanted) -> Iterator[Aim]:
    for scene in found.scenes:
        if not wanted.concerns(scene.fault, scene.nominal, wanted.margin):
            continue
        for kind, how in _DRAWN:
            drawn = scene.tallies[wanted.margin, kind].rates[wanted.answer]
            where = f"{load_of(scene.neighbours)}, {drawn.of} {how}"
            yield Aim(wanted.aim, where, drawn.text, wanted.verdict(drawn, scene.neighbours))
    for gate, tally in found.real.values():
        if wanted.concerns(gate.fault, gate.nominal, gate.margin):
            real = tally.rates[wanted.answer]
            where = f"{load_of(gate.neighbours)}, {real.of} real"
            yield Aim(wanted.aim, where, real.text, wanted.verdict(real, gate.neighbours))


def _of_time(found: Findings) -> Iterator[Aim]:
    loads: dict[int, list[float]] = {}
    for gate, tally in found.real.values():
        loads.setdefault(gate.neighbours, []).extend(tally.seconds)
    for neighbours, seconds in sorted(loads.items()):
        within = rate(sum(second <= LONGEST for second in seconds), len(seconds))
        over = max(seconds) - LONGEST
        yield Aim(
            f"a gate of one workload takes {LONGEST / 60:g} minutes at most",
            f"{load_of(neighbours)}, {len(seconds)} real",
            f"{within.count} of {within.of}; the longest {max(seconds):.0f} s",
            "reached" if over <= 0 else f"missed by {over:.0f} s in the longest",
        )


def _of_coverage(found: Findings) -> Iterator[Aim]:
    least, most = COVERED
    loads = dict.fromkeys(scene.neighbours for scene in found.scenes)
    for neighbours in sorted(loads):
        covered = [
            one for scene in found.scenes if scene.neighbours == neighbours for one in scene.covered
        ]
        drawn = [one for one in covered if one.truth == "mean"]
        if not drawn:
            continue
        low, high = range_of(drawn)
        outside = [one for one in drawn if not least <= one.found.value <= most]
        beyond = points(max(least - low, high - most))
        yield Aim(
            f"95% intervals hold the truth in {percent(least)} to {percent(most)}",
            f"{load_of(neighbours)}, the trace's mean, {len(drawn)} cases",
            f"{percent(low)} to {percent(high)}",
            f"missed in {len(outside)} of {len(drawn)} cases, by {beyond} at most"
            if outside
            else "reached",
        )
        whole = [
            one.found
            for one in covered
            if (one.truth, one.phase, one.lives) == ("equal", "total", LIVES[0])
        ]
        if whole:
            first = rate(sum(one.count for one in whole), sum(one.of for one in whole))
            yield Aim(
                f"95% intervals hold the truth in {percent(least)} to {percent(most)}",
                f"{load_of(neighbours)}, equal sides, groups of {LIVES[0]} lives",
                f"{first.count} of {first.of}: {first.text}",
                _within(first, least, most),
            )


def _within(found: Rate, least: float, most: float) -> str:
    if least <= found.low and found.high <= most:
        return "reached"
    if found.low <= most and found.high >= least:
        return "so few cannot say"
    return f"missed by {points(max(least - found.value, found.value - most))}"
