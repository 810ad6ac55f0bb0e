"""Two stored runs compared: ratios to `full` alone, and the noise between runs from their history.

A time of one run is no evidence about another. The ratio of a cell to `full` of the same rounds
is, as far as it repeats from run to run; how far that is, only other runs of the same cell on the
same machine can say. With y the logarithm of a run's ratio to `full`,

    d = y_head - y_base,   SE² = SE_base² + SE_head² + 2·s²,

where SE_base and SE_head are the errors of each run's own lives, and s is the standard deviation
(n - 1) of y over the runs of the history: the variance of a difference of two independent random
effects with their measurement errors (e.g. Searle, Casella & McCulloch, "Variance Components",
1992). s is taken whole. It holds the history's own errors of measurement as well, which are so
counted twice: taking them out would leave an s of 0 by chance when there are few runs, and a gate
that can't tell is better than one that cries wolf. A change of the code within the history widens
it too. Bounds: Student's t with the degrees of freedom of Welch and Satterthwaite (Satterthwaite,
"An approximate distribution of estimates of variance components", Biometrics Bulletin 2, 1946),
never more than the history's n - 1.

What this cannot see: a change of `full` itself moves all its ratios the other way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from dataclasses import replace as changed
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from bench.gate.stored.comparable import cells_of, notes, refuse_what_cannot_be_compared
from bench.gate.stored.log_ratio import log_ratio
from bench.multiplicity import holm
from bench.records import PHASES
from bench.work import work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.gate.time.record import Answer
    from bench.records import Cell, Run

    Key = tuple[str, str]

GATED = ("backward", "total")
"""Forward and update are shown: most of them are too short to be held to a margin."""

FAIL_CONFIDENCE = 0.99
"""Of the lower bound that must lie above the margin, over all rows together."""

PASS_CONFIDENCE = 0.95
"""Of the upper bound that must lie below the margin."""

LEAST_HISTORY = 3
"""Runs below which nothing can be said of the noise between runs."""

POWER = 0.8
"""With which a change of the detectable size would have been found."""

_LARGEST = 700.0  # whose exponential is still a float


class Margins(NamedTuple):
    """How much slower than base a head may be, relative: 0.03 is 3%."""

    total: float = 0.03
    phase: float = 0.05

    def of(self, phase: str) -> float:
        """The margin of a phase."""
        return self.total if phase == "total" else self.phase


@dataclass(frozen=True)
class Row:
    """One cell in one phase.

    Attributes:
        base: ratio to `full` in the base run; `head` likewise.
        change: head ÷ base.
        low: lower bound of `change`, one-sided, at `FAIL_CONFIDENCE`, for this row alone.
        high: upper bound, one-sided, at `PASS_CONFIDENCE`.
        runs: how many runs of the history have this cell.
        between: standard deviation of the log ratio over the history.
        within: standard error of ln(change) from the lives of the two runs alone.
        error: standard error of ln(change) from all of that, with its `degrees` of freedom.
        detectable: the smallest true `change` that would have failed with probability `POWER`,
            were it the only one (Holm's first step).
        p: of the hypothesis that `change` is within the margin.
        answer: absent where the phase is shown only.
        why: what kept the row from an answer.
    """

    workload: str
    strategy: str
    phase: str
    base: float | None = None
    head: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    runs: int = 0
    between: float | None = None
    within: float | None = None
    error: float | None = None
    degrees: float | None = None
    detectable: float | None = None
    p: float | None = None
    answer: Answer | None = None
    why: str = ""


@dataclass(frozen=True)
class Comparison:
    """All rows, and what a reader should know beside them; `history` holds the ids of its runs."""

    base: str
    head: str
    margins: Margins
    history: list[str]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)

    @property
    def answer(self) -> Answer:
        """FAIL if a row fails, else CAN'T TELL if one can't, else PASS."""
        answers = {row.answer for row in self.rows}
        if "FAIL" in answers:
            return "FAIL"
        return "CAN'T TELL" if "CAN'T TELL" in answers or "PASS" not in answers else "PASS"


def compare(
    base: Run, head: Run, history: Sequence[Run] = (), margins: Margins | None = None
) -> Comparison:
    """The rows of every cell that both runs have, in the order of base.

    Args:
        base: what head is held to.
        head: what may have become slower.
        history: other runs; those of another machine, base and head themselves are left out, and
            in each row those that did other work.
        margins: what is allowed.

    Raises:
        ResultsError: the runs cannot be compared.
    """
    margins = margins or Margins()
    refuse_what_cannot_be_compared(base, head)
    past = {run.id: run for run in history if run.machine == base.machine}
    for run in (base, head):
        past.pop(run.id, None)
    heads = cells_of(head)
    rows = []
    used: dict[str, None] = {}
    for key, cell in cells_of(base).items():
        if cell.strategy == "full" or key not in heads:
            continue
        if not cell.samples.total and not heads[key].samples.total:
            continue  # severed in both, say: it has no time to lose
        alike = _alike(base, cell, list(past.values()))
        used |= dict.fromkeys(run.id for run in alike)
        for phase in PHASES:
            rows.append(_row(key, phase, base, head, alike, margins.of(phase)))
    return Comparison(
        base.id, head.id, margins, list(used), _judged(rows, margins), notes(base, head)
    )


def _alike(base: Run, cell: Cell, past: list[Run]) -> list[Run]:
    """The runs that did the same work in this cell."""
    found = []
    for run in past:
        other = cells_of(run).get((cell.workload, cell.strategy))
        if other is None or not other.samples.total or other.fingerprint != cell.fingerprint:
            continue
        if work(run, other) == work(base, cell):
            found.append(run)
    return found


def _row(key: Key, phase: str, base: Run, head: Run, alike: list[Run], margin: float) -> Row:
    row = Row(*key, phase)
    readings = [log_ratio(run, key, phase) for run in (base, head)]
    for label, run, reading in zip(("BASE", "HEAD"), (base, head), readings, strict=True):
        if reading is None:
            cell = cells_of(run)[key]
            reason = f": {cell.verdict}, {cell.why}" if cell.why else ""
            return changed(row, why=f"{label} has no ratio of it to `full`{reason}")
    mine, other = (reading for reading in readings if reading is not None)
    logs = [reading.mean for run in alike if (reading := log_ratio(run, key, phase)) is not None]
    difference = other.mean - mine.mean
    row = changed(
        row,
        base=math.exp(mine.mean),
        head=math.exp(other.mean),
        change=math.exp(difference),
        runs=len(logs),
    )
    if len(logs) < LEAST_HISTORY:
        return changed(
            row,
            why=f"the noise between runs is unknown: that takes at least {LEAST_HISTORY} other "
            f"runs, and there {'is' if len(logs) == 1 else 'are'} {len(logs)}",
        )
    if mine.error is None or other.error is None:
        label = "BASE" if mine.error is None else "HEAD"
        return changed(row, why=f"{label} has one life alone, so its own noise is unknown")
    between = float(np.std(logs, ddof=1))
    terms = (
        (mine.error**2, mine.degrees),
        (other.error**2, other.degrees),
        (2 * between**2, len(logs) - 1),
    )
    error = math.sqrt(sum(variance for variance, _ in terms))
    degrees = min(_welch_satterthwaite(terms), len(logs) - 1)
    excess = difference - math.log1p(margin)
    return changed(
        row,
        low=math.exp(difference - error * float(stdtrit(degrees, FAIL_CONFIDENCE))),
        high=math.exp(difference + error * float(stdtrit(degrees, PASS_CONFIDENCE))),
        between=between,
        within=math.hypot(mine.error, other.error),
        error=error,
        degrees=degrees,
        p=float(stdtr(degrees, -excess / error)) if error else float(excess <= 0),
    )


def _welch_satterthwaite(terms: Sequence[tuple[float, int]]) -> float:
    """Degrees of freedom of a sum of variances, each with its own."""
    spread = sum(variance**2 / degrees for variance, degrees in terms)
    return sum(variance for variance, _ in terms) ** 2 / spread if spread else math.inf


def _detectable(row: Row, margin: float, rows: int) -> float | None:
    """(1 + margin)·exp((t_alarm + t_power)·SE), the alarm's error shared out over `rows`."""
    if row.error is None or row.degrees is None:
        return None
    alarm = float(stdtrit(row.degrees, 1 - (1 - FAIL_CONFIDENCE) / max(1, rows)))
    found = float(stdtrit(row.degrees, POWER))
    return (1 + margin) * math.exp(min((alarm + found) * row.error, _LARGEST))


def _judged(rows: list[Row], margins: Margins) -> list[Row]:
    """The rows with their answers, and what each could have seen."""
    p_values = [row.p for row in rows if row.phase in GATED and row.p is not None]
    adjusted = iter(holm(p_values))
    judged = []
    for row in rows:
        margin = margins.of(row.phase)
        seen = changed(row, detectable=_detectable(row, margin, len(p_values)))
        if row.phase in GATED:
            adjusted_p = None if row.p is None else next(adjusted)
            seen = _answered(seen, adjusted_p, margin, len(p_values))
        judged.append(seen)
    return judged


def _answered(row: Row, adjusted: float | None, margin: float, rows: int) -> Row:
    if adjusted is None or row.low is None or row.high is None:
        return changed(row, answer="CAN'T TELL")
    if adjusted <= 1 - FAIL_CONFIDENCE:
        return changed(row, answer="FAIL")
    if row.high < 1 + margin:
        return changed(row, answer="PASS")
    if row.low > 1 + margin:
        why = f"above the margin by itself, but not as one of {rows} rows (Holm)"
    else:
        why = "the bounds lie on both sides of the margin"
    return changed(row, answer="CAN'T TELL", why=why)
