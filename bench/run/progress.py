"""What the conductor tells whoever watches it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Watches a run."""

    def begin(self, phase: str, total: float) -> None:
        """A phase begins; `advance` will add up to about `total`."""

    def advance(self, by: float, doing: str = "") -> None:
        """Some of the phase is done."""

    def say(self, sentence: str) -> None:
        """Something worth a line has happened."""


class Unwatched:
    """Nobody watches."""

    def begin(self, phase: str, total: float) -> None:
        """Tell nobody."""

    def advance(self, by: float, doing: str = "") -> None:
        """Tell nobody."""

    def say(self, sentence: str) -> None:
        """Tell nobody."""
