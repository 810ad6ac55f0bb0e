"""What the auditor said of a set-up, beside what is true of it."""

from __future__ import annotations

from typing import Literal

from bench.records.audit import Finding  # noqa: TC001  msgspec reads annotations at run time
from bench.records.record import Record


class Outcome(Record, frozen=True, omit_defaults=False):
    """One audit of one set-up.

    Attributes:
        kind: whether something was planted.
        expected: rules, each of which names the cause; empty for a clean set-up.
        where: names that the finding must hold.
        also: further rules that are true of it.
        findings: what the audit found.
        failed: the exception that the audit itself ended with, in a line; `None` if none did.
        seconds: that the audit took, with all that it ran again.
    """

    name: str
    kind: Literal["fault", "clean"]
    architecture: str
    about: str
    expected: list[str]
    where: list[str]
    also: list[str]
    findings: list[Finding]
    failed: str | None
    seconds: float

    @property
    def loud(self) -> list[Finding]:
        """Findings that are more than a notice."""
        return [finding for finding in self.findings if finding.severity != "notice"]

    @property
    def found(self) -> bool:
        """Whether a loud finding names something that is concerned."""
        return any(
            not self.where or any(holds(finding.where, name) for name in self.where)
            for finding in self.loud
        )

    @property
    def right_cause(self) -> bool:
        """Whether a loud finding of an expected rule names all that is asked for."""
        return any(
            finding.rule in self.expected and all(holds(finding.where, name) for name in self.where)
            for finding in self.loud
        )

    @property
    def false_alarms(self) -> list[Finding]:
        """Loud findings of rules that are not true of it."""
        true = {*self.expected, *self.also}
        return [finding for finding in self.loud if finding.rule not in true]

    @property
    def false_notices(self) -> list[Finding]:
        """Of a clean set-up, notices of a waste that is not there."""
        return [
            finding
            for finding in self.findings
            if self.kind == "clean" and finding.severity == "notice"
            if finding.rule not in self.also
        ]

    @property
    def faultless(self) -> bool:
        """Whether the auditor said the right thing and nothing else."""
        told = self.kind == "clean" or (self.found and self.right_cause)
        return told and not (self.false_alarms or self.false_notices or self.failed)


def holds(where: list[str], name: str) -> bool:
    """Whether `name` is in `where`, by itself, by what is inside of it, or by a module around it.

    A name may have a prefix there, as that of a wrapper.
    """
    return any(
        here == name
        or here.startswith(f"{name}.")
        or name.startswith(f"{here}.")
        or here.endswith(f".{name}")
        for here in where
    )
