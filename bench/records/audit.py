"""What an audit or a watch found on a user's own training."""

from __future__ import annotations

from itertools import takewhile
from typing import Literal

from bench.records.drift import Moved
from bench.records.record import Record
from bench.rules import Severity

AUDIT_SCHEMA = 1

KeptBy = Literal["copy", "hash"]


class Finding(Record, frozen=True, omit_defaults=False):
    """One thing that is not as it was meant, in words and in figures.

    Attributes:
        rule: a name of `bench.rules.RULES`.
        severity: of this finding.
        where: names of the parameters, buffers or modules concerned, all of them.
        what: one sentence: what happened, with the largest figure.
        why: one sentence: the mechanism.
        mend: one line of code that can be pasted, or one thing to do.
        decided_by: the measurement that decided the cause: what was removed when the steps were
            run again, and what that changed. Empty where the cause was seen and not inferred.
        moved: tensors that differ, with figures.
        since_step: the first audited step (from 1) after which it was seen.
        figures: further numbers by name; the name ends in its unit (`gradient_bytes`).
    """

    rule: str
    severity: Severity
    where: list[str]
    what: str
    why: str
    mend: str
    decided_by: str = ""
    moved: list[Moved] = []
    since_step: int | None = None
    figures: dict[str, float] = {}

    @property
    def id(self) -> str:
        """Rule and place, equal from run to run: `bn-statistics:backbone.layer1`."""
        return f"{self.rule}:{common_module(self.where)}"


class Audit(Record, frozen=True, omit_defaults=False):
    """One audit of one training.

    Attributes:
        target: what was audited, without folders.
        steps: training steps that ran, after `warm` to warm up; more than were asked for where
            gradients were still waiting for an update.
        frozen: the patterns that said what is frozen; empty if that was read off the flags,
            learning rates and optimizers as they were.
        frozen_tensors: parameters, buffers and effective weights that were compared, bitwise.
        frozen_bytes: of them.
        kept_by: whether their values were kept, or only a hash of each.
        stopped: the exception that ended the steps early, in a sentence; `None` if none did.
        notes: what the reader has to know to judge the findings.
        left_out: findings that there were and that `findings` no longer holds.
        unchecked: rules that were not looked at, or not to the end; `notes` say why.
    """

    target: str
    device: str
    torch: str
    steps: int
    warm: int
    frozen: list[str]
    frozen_tensors: int
    frozen_bytes: int
    trainable_tensors: int
    kept_by: KeptBy
    findings: list[Finding]
    notes: list[str] = []
    stopped: str | None = None
    left_out: int = 0
    unchecked: list[str] = []
    schema: int = AUDIT_SCHEMA


def common_module(names: list[str]) -> str:
    """The innermost module that all of these names are in (a single name is its own)."""
    if len(set(names)) == 1:
        return names[0]
    levels = zip(*(name.split(".") for name in names), strict=False)
    return ".".join(level[0] for level in takewhile(lambda level: len(set(level)) == 1, levels))
