"""What each hazard did to each strategy."""

from __future__ import annotations

from typing import Literal, get_args

from bench.records.drift import Moved
from bench.records.machine import Machine
from bench.records.record import Record

HAZARDS_SCHEMA = 1

OutcomeKind = Literal["immune", "moves", "severed", "error", "affected", "not applicable", "broken"]
"""`moves`: something frozen moved. `severed`: something trainable got no gradient. `error`: the
training stopped, loudly. `affected`: none of these, and a figure tells what was wrong or wasted.
`broken`: the scenario itself failed, so nothing is known."""

OUTCOMES: tuple[OutcomeKind, ...] = get_args(OutcomeKind)


class Outcome(Record, frozen=True):
    """What a hazard did to a strategy.

    Attributes:
        kind: in a word.
        says: in a sentence, with the largest figure.
        figure: how much; for `moves` the largest absolute change of an element. JSON has no
            infinity: absent there.
        unit: of the figure.
        moved: frozen tensors that moved.
        severed: trainable parameters without a gradient.
        error: type of the exception that ended the training.
    """

    kind: OutcomeKind
    says: str
    figure: float | None = None
    unit: str = ""
    moved: list[Moved] = []
    severed: list[str] = []
    error: str = ""


class HazardCell(Record, frozen=True):
    """One hazard under one strategy, and the same again with the hazard's mend in place."""

    hazard: str
    strategy: str
    outcome: Outcome
    mended: Outcome


class Hazard(Record, frozen=True, omit_defaults=False):
    """One way in which a freeze goes wrong.

    Attributes:
        name: stable, in kebab-case; an audit's finding has the same if it is of this mechanism.
        theme: hazards of a kind stand together.
        title: in a few words.
        mechanism: why it happens.
        mend: what stops it.
        sources: where it is documented or was reported.
    """

    name: str
    theme: str
    title: str
    mechanism: str
    mend: str
    sources: list[str]


class Hazards(Record, frozen=True, omit_defaults=False):
    """The matrix: every hazard under every strategy, on one machine.

    Attributes:
        hazards: in reading order, those of a theme together.
        strategies: as they were asked for, in reading order.
        cells: one for each of the two, in the order of `hazards`, then of `strategies`.
        seconds: that all of it took.
    """

    machine: Machine
    hazards: list[Hazard]
    strategies: list[str]
    cells: list[HazardCell]
    seconds: float
    schema: int = HAZARDS_SCHEMA
