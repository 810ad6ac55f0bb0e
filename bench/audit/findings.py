"""What was seen, made into findings: each cause is decided by running the steps again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.audit.causes.blown import non_finite_findings
from bench.audit.causes.clipping import clipping_findings
from bench.audit.causes.laboratory import Laboratory
from bench.audit.causes.moved import moved_findings
from bench.audit.causes.stopped import stopped_findings
from bench.audit.causes.untrained import untrained_findings

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.audit.intent import Intent
    from bench.audit.observation import Observation
    from bench.audit.subject import World
    from bench.measure.stillness import Stillness
    from bench.records import Finding

_CUT = ("severed", "reentrant-checkpoint", "flag-off", "unused")


def findings_of(
    world: World, meant: Intent, kept: Stillness, seen: Observation, told: Callable[[str], None]
) -> tuple[list[Finding], str]:
    """One finding for each rule and cause, with all the names that it is about.

    Returns:
        These, and how the steps ended when they were repeated unchanged, if that was early.
    """
    lab = Laboratory(world, meant, kept, told)
    found = moved_findings(lab, seen)
    untrained = untrained_findings(lab, seen)
    explained = any(finding.rule in _CUT for finding in untrained)
    findings = [
        *found,
        *untrained,
        *non_finite_findings(seen, _blown_frozen(found)),
        *clipping_findings(lab, seen),
        *stopped_findings(lab, seen, explained),
    ]
    return findings, lab.unrepeated


def _blown_frozen(found: list[Finding]) -> int | None:
    """The step in which a frozen tensor became NaN: what does so later does it for that."""
    steps = [one.since_step for one in found if one.rule == "zero-times-inf" and one.since_step]
    return min(steps, default=None)
