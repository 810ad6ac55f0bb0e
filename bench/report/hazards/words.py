"""Signs, figures and sentences that all forms of the hazard matrix share."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from bench.records import OUTCOMES

if TYPE_CHECKING:
    from bench.records import Hazard, HazardCell, Hazards, Outcome, OutcomeKind

# A sign beside each colour, so that a colour never stands alone.
SIGNS: dict[OutcomeKind, str] = {
    "immune": "✓",
    "moves": "!",
    "severed": "\u00d7",
    "error": "-",
    "affected": "~",
    "not applicable": "·",
    "broken": "?",
}

MEANINGS: dict[OutcomeKind, str] = {
    "immune": "the hazard does nothing to it",
    "moves": "something frozen moved; the figure is the largest change of an element",
    "severed": "something trainable got no gradient, without an error",
    "error": "the training stopped, loudly",
    "affected": "something else is wrong or wasted, by the figure",
    "not applicable": "the hazard cannot concern it",
    "broken": "the scenario itself failed, so nothing is known",
}


def kinds(hazards: Hazards) -> list[OutcomeKind]:
    """The outcomes that there are, in the order of their definition."""
    there = {cell.outcome.kind for cell in hazards.cells}
    return [kind for kind in OUTCOMES if kind in there]


def by_theme(hazards: Hazards) -> list[tuple[str, list[Hazard]]]:
    """The hazards of each theme, both in the order of the record."""
    return [(theme, list(each)) for theme, each in groupby(hazards.hazards, lambda h: h.theme)]


def cells_of(hazards: Hazards, name: str) -> dict[str, HazardCell]:
    """The cells of a hazard by strategy."""
    return {cell.strategy: cell for cell in hazards.cells if cell.hazard == name}


def figure(outcome: Outcome) -> str:
    """The figure of an outcome in at most six characters; nothing where there is none."""
    if outcome.kind == "error":
        return "error"
    if outcome.kind == "moves" and outcome.figure is None:
        return "∞"
    value = outcome.figure
    if value is None or outcome.kind not in ("moves", "severed", "affected"):
        return ""
    if value == int(value) or value >= 100:
        return f"{value:.0f}" + (" B" if outcome.unit == "bytes" else "")
    if value < 1e-3:
        mantissa, exponent = f"{value:.0e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:.2g}"


def signed(outcome: Outcome) -> str:
    """Sign and figure: `! 0.36`."""
    return f"{SIGNS[outcome.kind]} {figure(outcome)}".rstrip()


def groups(cells: list[HazardCell]) -> list[tuple[Outcome, list[str]]]:
    """Outcomes with the same words once, each with its strategies; the worst kinds last."""
    found: dict[tuple[str, str], tuple[Outcome, list[str]]] = {}
    for cell in cells:
        key = cell.outcome.kind, cell.outcome.says
        found.setdefault(key, (cell.outcome, []))[1].append(cell.strategy)
    return sorted(found.values(), key=lambda group: OUTCOMES.index(group[0].kind))


def mended(cells: list[HazardCell]) -> str:
    """What the mend did, in a sentence."""
    concerned = [cell for cell in cells if cell.mended.kind != "not applicable"]
    left = [cell for cell in concerned if cell.mended.kind != "immune"]
    if not concerned:
        return "With the mend there is nothing to compare."
    if not left:
        return f"With the mend {'it is' if len(concerned) == 1 else 'all are'} immune."
    told = "; ".join(f"{cell.strategy}: {cell.mended.says.removesuffix('.')}" for cell in left)
    return f"With the mend {len(concerned) - len(left)} of {len(concerned)} are immune, not {told}."


def tally(cells: list[HazardCell]) -> str:
    """How often there is which outcome: `11 moves, 3 immune`."""
    counts = [(sum(cell.outcome.kind == kind for cell in cells), kind) for kind in OUTCOMES]
    return ", ".join(f"{count} {kind}" for count, kind in counts if count)


def summary(hazards: Hazards) -> str:
    """How many of each outcome in the whole matrix, in a sentence."""
    return (
        f"{_counted(len(hazards.hazards), 'hazard', 'hazards')} under "
        f"{_counted(len(hazards.strategies), 'strategy', 'strategies')}: {tally(hazards.cells)}."
    )


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
