"""Outcomes become counts, and counts become rates with exact intervals."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.study.rates import Rate, rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.audit_study.outcome import Outcome


@dataclass(frozen=True)
class Line:
    """A rate with what it counts; none where there was nothing to count."""

    what: str
    rate: Rate | None


@dataclass(frozen=True)
class OfRule:
    """What was planted of one rule, and what was said of it.

    Attributes:
        rule: that names the cause; of a fault with several, the first.
        planted: set-ups.
        found: of them, with a finding that names what is concerned.
        right: of them, with the right cause.
        false_alarms: findings of this rule, in all set-ups, where it is not true.
    """

    rule: str
    planted: int
    found: int
    right: int
    false_alarms: int


def lines(outcomes: Sequence[Outcome]) -> list[Line]:
    """Recall, right causes and false alarms."""
    faults = [one for one in outcomes if one.kind == "fault"]
    clean = [one for one in outcomes if one.kind == "clean"]
    loud = [finding for one in outcomes for finding in one.loud]
    false = [finding for one in outcomes for finding in one.false_alarms]
    return [
        _line("planted faults that were found", (one.found for one in faults)),
        _line("planted faults whose cause was right", (one.right_cause for one in faults)),
        _line("clean set-ups with a false alarm", (bool(one.false_alarms) for one in clean)),
        _line("faulty set-ups with a false alarm", (bool(one.false_alarms) for one in faults)),
        Line("findings that are true", rate(len(loud) - len(false), len(loud)) if loud else None),
        _line("clean set-ups with a false notice", (bool(one.false_notices) for one in clean)),
        _line("audits that failed", (one.failed is not None for one in outcomes)),
    ]  # fmt: skip


def by_rule(outcomes: Sequence[Outcome]) -> list[OfRule]:
    """A line for each rule that was planted or alarmed falsely, by name."""
    alarms = Counter(finding.rule for one in outcomes for finding in one.false_alarms)
    planted = {one.expected[0] for one in outcomes if one.expected}
    found = []
    for rule in sorted(planted | set(alarms)):
        of_it = [one for one in outcomes if one.expected[:1] == [rule]]
        found.append(
            OfRule(
                rule,
                len(of_it),
                sum(one.found for one in of_it),
                sum(one.right_cause for one in of_it),
                alarms[rule],
            )
        )
    return found


def _line(what: str, seen: Iterable[bool]) -> Line:
    marks = list(seen)
    return Line(what, rate(sum(marks), len(marks)) if marks else None)
