"""Claims answered one after the other, whatever becomes of each."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bench.claims.cost_of_run import costs
from bench.claims.roster import EXPERIMENT, ROSTER, TIMED
from bench.measure.device import choose
from bench.records import CLAIMS_SCHEMA, Answer, Claims
from bench.run.machine import fingerprint
from bench.run.project import project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.claims.claim import Judged
    from bench.claims.laboratory import Laboratory


class UnknownClaimError(ValueError):
    """There is no claim of this number; the message says which there are."""


def chosen(numbers: Sequence[int]) -> list[int]:
    """These claims, each once and in order; all if none is named.

    Raises:
        UnknownClaimError: there is no such claim.
    """
    for number in numbers:
        if number not in ROSTER:
            raise UnknownClaimError(
                f"there is no claim {number}; they are numbered from {min(ROSTER)} to {max(ROSTER)}"
            )
    return sorted(set(numbers)) or list(ROSTER)


def answer_all(numbers: Sequence[int], laboratory: Laboratory) -> Claims:
    """Measure and judge; a claim whose measurement breaks is kept without a verdict.

    Args:
        numbers: of the roster.
        laboratory: measures; it is told of the progress, too.
    """
    begin, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    answers = [_answered(number, laboratory) for number in numbers]
    whole = {number: answer.verdict for number, answer in zip(numbers, answers, strict=True)}
    timed = any(whole.get(number) is not None for number in TIMED)
    return Claims(
        schema=CLAIMS_SCHEMA,
        started=started,
        seconds=time.monotonic() - begin,
        machine=fingerprint(choose("cpu")),
        project=project(),
        seeds=laboratory.settings.seeds,
        answers=answers,
        costs=costs(laboratory.run) if timed else [],
        denoising=laboratory.denoising if whole.get(EXPERIMENT) is not None else None,
        run=laboratory.run if timed else None,
    )


def _answered(number: int, laboratory: Laboratory) -> Answer:
    claim = ROSTER[number]()
    laboratory.progress.begin(f"claim {number}", 1)
    begin = time.monotonic()
    judged: Judged | None = None
    why = headline = ""
    try:
        outcome = claim.measure(laboratory)
        headline = claim.headline(outcome)
        judged = claim.judge(outcome)
    except Exception as error:  # the other claims are worth having all the same
        first = (str(error).splitlines() or [""])[0]
        why = f"{type(error).__name__}: {first}" if first else type(error).__name__
        laboratory.progress.say(f"claim {number} could not be measured: {why}")
    return Answer(
        number=number,
        source=claim.source,
        claim=claim.said,
        question=claim.question,
        verdict=judged.verdict if judged is not None else None,
        condition=judged.condition if judged is not None else "",
        answer=judged.answer if judged is not None else [],
        figures=judged.figures if judged is not None else [],
        rule=claim.rule,
        how=claim.how,
        command=f"freezebench claims {number}",
        seconds=time.monotonic() - begin,
        why=why,
        short=claim.short,
        headline=headline,
    )
