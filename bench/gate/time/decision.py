"""From effects to an answer: PASS, FAIL or CAN'T TELL, with the error said beforehand.

FAIL and PASS are two one-sided tests against the same margin. FAIL: the ratio is above it, however
the noise was. PASS: the ratio is below it (an equivalence statement; Schuirmann, "A comparison of
the two one-sided tests procedure", J. Pharmacokinetics and Biopharmaceutics 15, 1987). In between,
nothing is said. Both use Student's t over lives, since a process has its own luck, and both split
their error among the looks (Bonferroni), so that looking early costs nothing in truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from msgspec.structs import replace
from scipy.special import stdtr, stdtrit

from bench.gate.time import effects as from_turns
from bench.gate.time.record import PHASES, Bounds, Row
from bench.multiplicity import holm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.gate.time.effects import Weighing
    from bench.gate.time.record import Answer, Life, Terms

LEAST_LIVES = 3
"""Below that, Student's t says next to nothing."""


@dataclass(frozen=True)
class Effect:
    """The mean of a logarithmic effect over lives, with what is needed for its bounds."""

    mean: float
    error: float
    degrees: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Effect:
        """From one value a life; with fewer than `LEAST_LIVES` the error is infinite."""
        if len(values) < LEAST_LIVES:
            return cls(fmean(values) if values else 0.0, math.inf, 1)
        error = stdev(values) / math.sqrt(len(values))
        return cls(fmean(values), error, len(values) - 1)

    def lower(self, confidence: float) -> float:
        """The one-sided lower bound."""
        return self.mean - self._reach(confidence)

    def upper(self, confidence: float) -> float:
        """The one-sided upper bound."""
        return self.mean + self._reach(confidence)

    def p_not_above(self, margin: float) -> float:
        """How likely so high a mean, or a higher one, is where the truth is the margin at most."""
        if self.error == 0:
            return 0.0 if self.mean > margin else 1.0
        return float(stdtr(self.degrees, (margin - self.mean) / self.error))

    def ratio(self, confidence: float = 0.95) -> Bounds:
        """The ratio with its two-sided interval."""
        tail = (1 + confidence) / 2
        return Bounds(
            value=math.exp(self.mean),
            low=math.exp(self.lower(tail)),
            high=_exp(self.upper(tail)),
        )

    def _reach(self, confidence: float) -> float:
        if self.error == 0:
            return 0.0
        return float(stdtrit(self.degrees, confidence)) * self.error


def judge(
    lives: Sequence[Life], terms: Terms, threads: int, weighing: Weighing = from_turns
) -> list[Row]:
    """The rows of a gate at one look: all cells × phases.

    Args:
        lives: of the trial so far.
        terms: margins, errors and looks.
        threads: of torch.
        weighing: how lives become effects.
    """
    rows: list[Row] = []
    effects: list[dict[str, Effect]] = []
    cells = lives[0].cells if lives else []
    for place, cell in enumerate(cells):
        clock = weighing.clock_of((life.cells[place] for life in lives), threads)
        for phase in PHASES:
            found = {
                arm: Effect.of(values)
                for arm, values in weighing.life_effects(lives, place, phase, clock).items()
            }
            share = weighing.share_of(lives, place, phase)
            effects.append(found)
            rows.append(
                Row(
                    workload=cell.workload,
                    strategy=cell.strategy,
                    phase=phase,
                    clock=clock,
                    share=share,
                    judged=share >= terms.least_share,
                    margin=terms.margin if phase == "total" else terms.phase_margin,
                    head=found["head"].ratio(),
                    again=found["again"].ratio(),
                    slowed=found["slowed"].ratio(),
                    fail_bound=0.0,
                    pass_bound=math.inf,
                    p=1.0,
                    answer="CAN'T TELL",
                )
            )
    return _answered(rows, effects, terms)


def _answered(rows: list[Row], effects: list[dict[str, Effect]], terms: Terms) -> list[Row]:
    judged = [place for place, row in enumerate(rows) if row.judged]
    above = [effects[p]["head"].p_not_above(math.log1p(rows[p].margin)) for p in judged]
    below = [_mirrored(effects[p]["head"]).p_not_above(math.log1p(rows[p].margin)) for p in judged]
    looks = len(terms.looks)
    fail_error = (1 - terms.fail_confidence) / looks
    pass_error = (1 - terms.pass_confidence) / looks
    adjusted = dict(zip(judged, holm(above), strict=True))
    faster = dict(zip(judged, holm(below), strict=True))
    answered = []
    for place, row in enumerate(rows):
        head = effects[place]["head"]
        # With as many rows as there are, Bonferroni's bound: Holm's first step.
        fail_bound = head.lower(1 - fail_error / max(1, len(judged)))
        pass_bound = head.upper(1 - pass_error)
        improved = row.judged and faster[place] <= fail_error
        answer, why = _answer(
            row, effects[place], pass_bound, adjusted.get(place, 1.0), fail_error, len(judged)
        )
        answered.append(
            replace(
                row,
                fail_bound=math.exp(fail_bound),
                pass_bound=_exp(pass_bound),
                p=adjusted.get(place, 1.0),
                answer=answer,
                why=why,
                improved=improved and answer == "PASS",
            )
        )
    return answered


def _answer(
    row: Row,
    effects: dict[str, Effect],
    pass_bound: float,
    p: float,
    fail_error: float,
    rows: int,
) -> tuple[Answer, str]:
    margin = math.log1p(row.margin)
    again, slowed = effects["again"], effects["slowed"]
    certain = 1 - fail_error
    if again.lower(certain) > margin or again.upper(certain) < -margin:
        return "CAN'T TELL", (
            f"the base differed from itself by {_percent(row.again.value)}, more than the margin"
        )
    if slowed.lower(1 - fail_error / max(1, rows)) <= margin:
        return "CAN'T TELL", (
            "the base with a known slow-down was not seen above the margin with the confidence "
            f"that a FAIL takes ({_percent(row.slowed.value)}, {_percent(row.slowed.low)} to "
            f"{_percent(row.slowed.high)})"
        )
    if p <= fail_error:
        return "FAIL", ""
    if pass_bound < margin:
        return "PASS", ""
    return "CAN'T TELL", _undecided(row)


def _undecided(row: Row) -> str:
    """Where the interval lies, for a row that neither fails nor passes."""
    between = f"the ratio lies between {_percent(row.head.low)} and {_percent(row.head.high)}"
    margin = f"the margin of {_percent(1 + row.margin)}"
    if row.head.low > 1 + row.margin:
        return f"{between}, above {margin}, but a FAIL takes more certainty"
    if row.head.high < 1 + row.margin:
        return f"{between}, below {margin}, but at this look too near it"
    return f"{between}, and {margin} within"


def confirmed(
    rows: Sequence[Row], lives: Sequence[Life], terms: Terms, weighing: Weighing = from_turns
) -> list[Row]:
    """The rows with FAIL judged again by fresh lives alone; what is not confirmed can't be told.

    The confirmation has the whole error for itself: with the first FAIL it makes two independent
    findings of the same thing.
    """
    failing = [place for place, row in enumerate(rows) if row.answer == "FAIL"]
    effects = {}
    for place in failing:
        row, cell = rows[place], place // len(PHASES)
        clock = row.clock
        if clock == "cpu":  # unless these lives have none, or wait
            clock = weighing.clock_of((life.cells[cell] for life in lives), 1)
        found = weighing.life_effects(lives, cell, row.phase, clock)
        effects[place] = Effect.of(found["head"])
    p_values = [effects[p].p_not_above(math.log1p(rows[p].margin)) for p in failing]
    again = dict(zip(failing, holm(p_values), strict=True))
    answered = list(rows)
    for place in failing:
        row = replace(rows[place], confirmed=effects[place].ratio())
        if again[place] > 1 - terms.fail_confidence:
            row = replace(
                row,
                answer="CAN'T TELL",
                why="it looked slower, and fresh processes did not confirm it: "
                f"{_percent(effects[place].ratio().value)} there",
            )
        answered[place] = row
    return answered


def answer_of(rows: Sequence[Row]) -> Answer:
    """Of the whole gate: one FAIL fails it, and to pass it every judged row must."""
    answers = [row.answer for row in rows if row.judged]
    if "FAIL" in answers:
        return "FAIL"
    return "PASS" if answers and all(answer == "PASS" for answer in answers) else "CAN'T TELL"


def _mirrored(effect: Effect) -> Effect:
    return Effect(-effect.mean, effect.error, effect.degrees)


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f}%"
