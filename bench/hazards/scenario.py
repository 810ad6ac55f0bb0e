"""What a scenario is: one way in which a freeze goes wrong, small enough to be run at once."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from bench.hazards.judgement import stopped
from bench.hazards.loop import StoppedError
from bench.records import Hazard
from strategies.full import Full

if TYPE_CHECKING:
    from bench.records import Outcome
    from strategies import Strategy


class Scenario(ABC):
    """One hazard. Its class docstring names it in the first line and then tells the mechanism.

    Each scenario holds one thing that is wrong and nothing else: with that thing taken out
    (`mended`), the freeze holds.

    Attributes:
        name: stable, in kebab-case.
        theme: hazards of a kind stand together.
        mend: what the user should do, in a short sentence.
        sources: where it is documented or was reported.
        needs_processes: how many it is run in at once.
    """

    name: ClassVar[str]
    theme: ClassVar[str]
    mend: ClassVar[str]
    sources: ClassVar[tuple[str, ...]] = ()
    needs_processes: ClassVar[int] = 1

    def exempt(self, strategy: Strategy) -> str | None:
        """Why the hazard cannot concern a strategy, in a clause; `None` if it can."""
        return "it freezes nothing" if isinstance(strategy, Full) else None

    def outcome(self, strategy: Strategy, *, mended: bool = False) -> Outcome:
        """What the hazard does to a fresh strategy; what stops the training is an outcome too."""
        try:
            return self.run(strategy, mended=mended)
        except StoppedError as error:
            return stopped(error)

    @abstractmethod
    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Train with `strategy` in the presence of the hazard, or with its mend.

        Raises:
            StoppedError: the training ended in an exception.
        """

    def told(self) -> Hazard:
        """The hazard for a record."""
        title, _, mechanism = inspect.cleandoc(type(self).__doc__ or "").partition("\n\n")
        mechanism = " ".join(mechanism.replace("`", "").split())
        return Hazard(
            name=self.name,
            theme=self.theme,
            title=title.removesuffix("."),
            mechanism=mechanism,
            mend=self.mend,
            sources=list(self.sources),
        )
