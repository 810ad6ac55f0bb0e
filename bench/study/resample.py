"""Gates without a machine: the real comparison over lives that are drawn from a trace."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec.structs import replace

from bench.gate.time.comparison import Outcome, compare
from bench.gate.time.effects import clock_of, life_effects
from bench.gate.time.record import PHASES
from bench.study.collect import LIVES_A_FORKER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.gate.time.record import Answer, CellTurns, Life, Terms

THREADS = 1
"""Of torch, in every trace."""

Kind = Literal["lives", "forkers"]
"""What is drawn: single lives, or forkers with the lives that came from them."""


class Known:
    """The effects of lives that are drawn over and over, worked out once.

    Cells are known by identity, which is theirs for as long as this holds them.

    Args:
        lives: all that may be drawn.
    """

    def __init__(self, lives: Sequence[Life]) -> None:
        self._held = [cell for life in lives for cell in life.cells]
        self._clock = {id(cell): clock_of([cell], THREADS) for cell in self._held}
        self._steps = {id(cell): _summed(cell) for cell in self._held}
        self._effects = {
            (id(life.cells[place]), phase, clock): life_effects([life], place, phase, clock)
            for life in lives
            for place in range(len(life.cells))
            for phase in PHASES
            for clock in ("cpu", "wall")
        }

    def clock_of(self, cells: Iterable[CellTurns], threads: int) -> str:
        """As `bench.gate.time.effects.clock_of`."""
        alone = threads == THREADS and all(self._clock[id(cell)] == "cpu" for cell in cells)
        return "cpu" if alone else "wall"

    def life_effects(
        self, lives: Sequence[Life], place: int, phase: str, clock: str
    ) -> dict[str, list[float]]:
        """As `bench.gate.time.effects.life_effects`."""
        found: dict[str, list[float]] = {"head": [], "again": [], "slowed": []}
        for life in lives:
            for arm, values in self._effects[id(life.cells[place]), phase, clock].items():
                found[arm] += values
        return found

    def share_of(self, lives: Sequence[Life], place: int, phase: str) -> float:
        """As `bench.gate.time.effects.share_of`."""
        if phase == "total":
            return 1.0
        sums = [self._steps[id(life.cells[place])] for life in lives]
        whole = sum(sum(of_life) for of_life in sums)
        return sum(of_life[PHASES.index(phase)] for of_life in sums) / whole if whole else 0.0


def _summed(cell: CellTurns) -> tuple[int, ...]:
    """The base's nanoseconds of each phase over the life."""
    steps = [step for turn in cell.arms["base"].wall for step in turn]
    return tuple(sum(step[place] for step in steps) for place in range(len(PHASES) - 1))


class Drawn:
    """Lives by the draw, on a clock that they move; what `compare` takes for a trial.

    Args:
        lives: to draw from, with replacement.
        kind: of single lives or of forkers. A forker's lives come in random order, each once; then
            another one is drawn, as it is when the gate asks for fresh processes.
        seed: of the draw.
        renewal: seconds that fresh processes take.
    """

    def __init__(self, lives: Sequence[Life], kind: Kind, seed: int, renewal: float) -> None:
        self._random = random.Random(seed)
        self._renewal = renewal
        self._seconds = 0.0
        size = 1 if kind == "lives" else LIVES_A_FORKER
        groups = [lives[first : first + size] for first in range(0, len(lives), size)]
        self._forkers = [
            [(life, replace(life, purpose="confirmation")) for life in group] for group in groups
        ]
        self._left: list[tuple[Life, Life]] = []

    def gate(self) -> None:
        """Another gate begins: fresh processes, and the clock at 0."""
        self._left = []
        self._seconds = 0.0

    def renew(self) -> None:
        """See `bench.gate.time.comparison.Lives`."""
        self._left = []
        self._seconds += self._renewal

    def life(
        self, _number: int, purpose: Literal["trial", "confirmation"], _seconds: float
    ) -> Life:
        """See `bench.gate.time.comparison.Lives`; it takes as long as it did."""
        if not self._left:
            forker = self._random.choice(self._forkers)
            self._left = self._random.sample(forker, len(forker))
        trial, confirmation = self._left.pop()
        self._seconds += trial.seconds
        return trial if purpose == "trial" else confirmation

    def now(self) -> float:
        """Seconds since the gate began."""
        return self._seconds


class Resampled(NamedTuple):
    """A gate over drawn lives; `seconds` of living and of renewing processes."""

    answer: Answer
    why: str
    seconds: float
    looks: int
    lives: int


def resample(
    lives: Sequence[Life],
    terms: Terms,
    gates: int,
    *,
    seed: int,
    renewal: float,
    kind: Kind = "lives",
    known: Known | None = None,
) -> list[Resampled]:
    """So many gates; the same for the same arguments.

    Args:
        lives: of a trace.
        terms: of each gate.
        gates: how many.
        seed: of the draw.
        renewal: seconds that fresh processes take.
        kind: what is drawn.
        known: the effects of these lives, where they have been worked out already.
    """
    known = known or Known(lives)
    drawn = Drawn(lives, kind, seed, renewal)
    found = []
    for _ in range(gates):
        drawn.gate()
        outcome = Outcome()
        compare(drawn, terms, THREADS, outcome, now=drawn.now, weighing=known)
        found.append(
            Resampled(outcome.answer, outcome.why, drawn.now(), outcome.looks, len(outcome.lives))
        )
    return found
