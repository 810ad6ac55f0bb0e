"""Lives until the gate can answer: looks at preset numbers of lives, a confirmation, a budget."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec.structs import replace

from bench.gate.time import effects as from_turns
from bench.gate.time.decision import LEAST_LIVES, answer_of, confirmed, judge
from bench.gate.time.turns import UntrustworthyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.gate.time.effects import Weighing
    from bench.gate.time.record import Answer, Life, Row, Terms

BUSY = 0.10
"""Share of the machine's processor time in other hands that is worth a word."""


class BudgetError(ValueError):
    """The budget does not hold what an answer takes; the message says how much does."""


class Lives(Protocol):
    """Whoever can live: a `Trial`, or in a test a script."""

    def renew(self) -> None:
        """From now on lives begin from fresh processes."""

    def life(self, number: int, purpose: Literal["trial", "confirmation"], seconds: float) -> Life:
        """One life that races for so many seconds."""


@dataclass
class Outcome:
    """What a comparison has come to so far, and in the end."""

    lives: list[Life] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    looks: int = 0
    answer: Answer = "CAN'T TELL"
    why: str = ""


def compare(
    trial: Lives,
    terms: Terms,
    threads: int,
    outcome: Outcome,
    *,
    now: Callable[[], float],
    told: Callable[[str, float], None] = lambda _what, _spent: None,
    weighing: Weighing = from_turns,
) -> None:
    """Carry out a gate; what it comes to is in `outcome` at once, so that nothing is lost.

    At each look all rows are judged by all lives so far. When every judged row passes, the gate
    does. When one fails, as many fresh lives as the first look has are lived, and decide about that
    row alone; if they don't confirm it they count like the others, and the gate goes on. It ends
    without an answer after the last look, which comes early when the budget is spent. A
    confirmation may exceed the budget: a FAIL is never said for want of time.

    Args:
        trial: what lives.
        terms: looks, margins, errors, budget.
        threads: of torch.
        outcome: to be filled.
        now: monotonic seconds.
        told: hears what goes on, with the seconds spent.
        weighing: how lives become effects.

    Raises:
        BudgetError: it does not hold the fewest lives that tell anything.
        SideFailedError: a cell of one side cannot run.
    """
    begin = now()

    def spent() -> float:
        return now() - begin

    try:
        for look, wanted in enumerate(terms.looks, start=1):
            if look > 1:  # the first ones are fresh anyway
                trial.renew()
            while _of_trial(outcome.lives) < wanted and _fits(outcome.lives, spent(), terms):
                told(f"life {len(outcome.lives) + 1}", spent())
                outcome.lives.append(_life(trial, outcome, "trial", terms))
                _refuse_small_budget(outcome.lives, spent(), terms)
            outcome.looks = look
            outcome.rows = judge(outcome.lives, terms, threads, weighing)
            if answer_of(outcome.rows) == "FAIL":
                fresh = []
                trial.renew()
                for _ in range(terms.looks[0]):
                    told("confirming what looks slower", spent())
                    fresh.append(_life(trial, outcome, "confirmation", terms))
                    outcome.lives.append(fresh[-1])
                outcome.rows = confirmed(outcome.rows, fresh, terms, weighing)
            outcome.answer = answer_of(outcome.rows)
            out_of_time = not _fits(outcome.lives, spent(), terms)
            if outcome.answer != "CAN'T TELL" or out_of_time:
                break
    except UntrustworthyError as error:
        outcome.answer, outcome.why = "CAN'T TELL", str(error)
        outcome.rows = [  # a FAIL that could not be confirmed is none
            replace(row, answer="CAN'T TELL", why=str(error)) if row.answer == "FAIL" else row
            for row in outcome.rows
        ]
        return
    outcome.why = _why(outcome, terms)


def _life(
    trial: Lives, outcome: Outcome, purpose: Literal["trial", "confirmation"], terms: Terms
) -> Life:
    return trial.life(len(outcome.lives) + 1, purpose, terms.life_seconds)


def _of_trial(lives: list[Life]) -> int:
    return sum(life.purpose == "trial" for life in lives)


def _fits(lives: list[Life], spent: float, terms: Terms) -> bool:
    """Whether one more life ends before the budget does; the first always may."""
    return not lives or spent + fmean(life.seconds for life in lives) <= terms.budget


def _refuse_small_budget(lives: list[Life], spent: float, terms: Terms) -> None:
    needed = spent + (LEAST_LIVES - 1) * lives[0].seconds
    if len(lives) == 1 and needed > terms.budget:
        raise BudgetError(
            f"a budget of {terms.budget:g} s is too small: one life of both sides took "
            f"{lives[0].seconds:.1f} s, and {LEAST_LIVES} are the fewest that tell anything; give "
            f"--budget {needed * 1.5:.0f} or more, or fewer cells"
        )


def _why(outcome: Outcome, terms: Terms) -> str:
    """The reason for the answer, in a sentence."""
    judged = [row for row in outcome.rows if row.judged]
    if outcome.answer == "PASS":
        return f"every ratio is below its margin, after {len(outcome.lives)} lives"
    if outcome.answer == "FAIL":
        worst = [row for row in judged if row.answer == "FAIL"]
        return "slower, and confirmed by fresh processes: " + "; ".join(
            f"{row.name} {100 * (row.head.value - 1):+.1f}%" for row in worst
        )
    unsure = [row for row in judged if row.answer == "CAN'T TELL"]
    if not unsure:
        return "no phase was long enough to be judged"
    said = f"{unsure[0].name}: {unsure[0].why}"
    if len(unsure) > 1:
        said += f"; likewise {len(unsure) - 1} more"
    return f"{said}. {_what_helps(outcome, terms)}"


def _what_helps(outcome: Outcome, terms: Terms) -> str:
    others = _mean([life.others for life in outcome.lives])
    stolen = _mean([life.stolen for life in outcome.lives])
    reasons = []
    if others is not None and others > BUSY:
        reasons.append(f"other processes had {100 * others:.0f}% of the machine")
    if stolen is not None and stolen > BUSY:
        reasons.append(f"its host took {100 * stolen:.0f}%")
    lives = len(outcome.lives)
    if _of_trial(outcome.lives) >= terms.looks[-1]:
        advice = f"All {lives} lives of a gate were lived; wider margins"
    else:
        advice = (
            f"{lives} lives fitted into --budget {terms.budget:g}; a larger one, or wider margins"
        )
    if reasons:
        return f"Meanwhile {' and '.join(reasons)}. {advice}, or a quieter machine, would help."
    return f"{advice}, would help."


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
