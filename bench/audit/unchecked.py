"""Rules that an audit could not look at to the end, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.audit.modes import RULES_OF_MODES
from bench.audit.waste import RULES_OF_WASTE
from bench.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.audit.observation import Observation
    from bench.records import Finding

# Nobody asks what a training costs, or how its modules answer, that makes NaN or nothing at all.
_BROKEN = ("non-finite", "zero-times-inf", "no-backward")

LAST = (*RULES_OF_WASTE, *RULES_OF_MODES)
"""Looked at last, in steps of their own."""


@dataclass(frozen=True)
class Unchecked:
    """Rules that can't be said to have found nothing, and why."""

    why: str = ""
    names: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """A sentence, where there are any."""
        if not self.why:
            return []
        if self.names == LAST:
            return [f"waste and the modes of frozen modules were not looked at: {self.why}"]
        return [f"not all could be looked at to the end: {self.why}"]

    def rules(self, found: set[str]) -> list[str]:
        """All of them but what was found."""
        return [name for name in self.names if name not in found]


def unchecked_by(
    seen: Observation, unrepeated: str, findings: Sequence[Finding], *, can_begin_again: bool
) -> Unchecked:
    """What can't be looked at behind the steps that were watched.

    Args:
        seen: the steps.
        unrepeated: how a repetition of them ended, where that was early.
        findings: so far.
        can_begin_again: whether what moved can be put back.
    """
    if seen.raised is not None:
        return Unchecked("the steps ended early", tuple(RULES))
    if any(one.rule in _BROKEN for one in findings):
        return Unchecked("the training makes NaN, or runs no backward pass", tuple(RULES))
    if unrepeated:
        why = f"the steps can't be repeated, so causes are undecided: {unrepeated} when they were"
        return Unchecked(why, tuple(RULES))
    if seen.moved and not can_begin_again:
        return Unchecked("what moved can't be put back without a copy", LAST)
    return Unchecked()
