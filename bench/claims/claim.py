"""What a claim is: something that was said, a measurement, and a rule that judges its outcome."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from bench.records import Figure

if TYPE_CHECKING:
    from bench.claims.laboratory import Laboratory
    from bench.records import ClaimVerdict, Interval, Source

Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Judged:
    """What an outcome says about a claim; the attributes are those of `records.Answer`."""

    verdict: ClaimVerdict
    answer: list[str]
    figures: list[Figure] = field(default_factory=list)
    condition: str = ""


class Claim(ABC, Generic[Outcome]):
    """Something that was said about freezing.

    `measure` knows nothing of the verdict and `judge` nothing of torch: a made-up outcome gets the
    verdict that a measured one would. All texts are for a reader who has not seen the source.

    Attributes:
        number: by which it is asked for.
        source: who said it.
        said: what, in our words.
        short: the same in a few words, to stand beside its verdict.
        question: what a reader would ask.
        rule: how the verdict follows from the outcome.
        how: what is measured.
    """

    number: ClassVar[int]
    source: ClassVar[Source]
    said: ClassVar[str]
    short: ClassVar[str]
    question: ClassVar[str]
    rule: ClassVar[str]
    how: ClassVar[str]

    @abstractmethod
    def measure(self, laboratory: Laboratory) -> Outcome:
        """Measure; the same again for the same seeds, but for times."""

    def headline(self, outcome: Outcome) -> str:
        """What answers the question in one line, as a pair where two belong together.

        Empty where the first figure does.
        """
        return ""

    @abstractmethod
    def judge(self, outcome: Outcome) -> Judged:
        """The verdict that follows from an outcome, with the sentences and figures behind it."""


def figure(name: str, value: float, unit: str = "") -> Figure:
    """A figure without an interval; absent where it is no number."""
    return Figure(name, float(value) if math.isfinite(value) else None, unit)


def interval_figure(name: str, interval: Interval, unit: str = "×") -> Figure:
    """A figure with its interval."""
    return Figure(name, interval.value, unit, interval.low, interval.high)


def listed(names: list[str]) -> str:
    """Names in a sentence: `a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
