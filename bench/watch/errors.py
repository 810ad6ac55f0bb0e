"""What a watch raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.watch.telling import told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.records import Finding


class WatchRequestError(ValueError):
    """The model cannot be watched in this way; the message says what is wrong and what to do."""


class WatchError(AssertionError):
    """A training is not what it was meant to be; a failed assertion, so that a test fails by it.

    Attributes:
        findings: what was seen, the worst first.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = list(findings)
        super().__init__(told(self.findings))

    def __reduce__(self) -> tuple[type[WatchError], tuple[list[Finding]]]:
        """A worker of a data-parallel training may have to send it to another process."""
        return type(self), (self.findings,)


class FrozenMoved(WatchError):  # noqa: N818  what happened, as a test's author would say it
    """Something frozen differs in a bit from what it was."""


class Severed(WatchError):  # noqa: N818  likewise
    """Something trainable never received a gradient."""
