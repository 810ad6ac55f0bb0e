"""Every scenario under every strategy."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bench.hazards.judgement import raised
from bench.hazards.roster import ROSTER
from bench.hazards.undisturbed import undisturbed
from bench.records import HazardCell, Outcome
from strategies import find, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.hazards.ranks import Task


class HazardError(ValueError):
    """What was asked for cannot be measured; the message says why, and what there is."""


class Progress(Protocol):
    """Hears how far the matrix is."""

    def begin(self, phase: str, total: float) -> None:
        """The number of cells to come."""
        ...

    def advance(self, by: float, doing: str = "") -> None:
        """So many of them are done."""
        ...


def chosen(names: Iterable[str]) -> list[str]:
    """The hazards of these names in the order of the roster; all of them if none is given.

    Raises:
        HazardError: one is unknown.
    """
    wanted = set(names) or set(ROSTER)
    for name in sorted(wanted - set(ROSTER)):
        raise HazardError(f"there is no hazard '{name}'; {suggest(name, ROSTER)}")
    return [name for name in ROSTER if name in wanted]


def measure(
    hazards: Sequence[str], strategies: Sequence[str], progress: Progress
) -> list[HazardCell]:
    """The cells, hazard by hazard; a strategy has its own name there, without a file.

    Args:
        hazards: names of the roster, as `chosen` gives them.
        strategies: as `strategies.find` takes them.
        progress: hears of every cell.

    Raises:
        StrategyError: a strategy is unknown.
        HazardError: two of them have one name.
    """
    names = {spec: find(spec).name for spec in strategies}
    for spec, other in pairwise(sorted(names, key=lambda spec: names[spec])):
        if names[spec] == names[other]:
            raise HazardError(
                f"'{spec}' and '{other}' are both called '{names[spec]}'; leave one of them out"
            )
    exempt = {
        (hazard, spec): ROSTER[hazard].exempt(find(spec))
        for hazard in hazards
        for spec in strategies
    }
    progress.begin("hazards", len(exempt))
    apart = _in_processes(hazards, exempt, progress)
    cells = []
    for (hazard, spec), why in exempt.items():
        if why is not None:
            outcomes = [Outcome("not applicable", f"Not applicable: {why}.")] * 2
        elif (hazard, spec) in apart:
            outcomes = apart[hazard, spec]
        else:
            outcomes = [_cell(hazard, spec, mended=mended) for mended in (False, True)]
        if (hazard, spec) not in apart:
            progress.advance(1, hazard)
        cells.append(HazardCell(hazard, names[spec], *outcomes))
    return cells


def _cell(hazard: str, spec: str, *, mended: bool) -> Outcome:
    with undisturbed():
        try:
            return ROSTER[hazard].outcome(find(spec), mended=mended)
        except Exception as error:
            return Outcome("broken", raised(error).says)


def _in_processes(
    hazards: Sequence[str], exempt: dict[tuple[str, str], str | None], progress: Progress
) -> dict[tuple[str, str], list[Outcome]]:
    """The cells that need more than this process, in one launch."""
    from bench.hazards.ranks import Task, launch  # noqa: PLC0415  it reads the roster as well

    tasks = [
        Task(hazard, spec, mended)
        for (hazard, spec), why in exempt.items()
        if ROSTER[hazard].needs_processes > 1 and why is None
        for mended in (False, True)
    ]
    if not tasks:
        return {}

    def told(task: Task) -> None:
        progress.advance(0.5, task.hazard)

    with tempfile.TemporaryDirectory() as work:
        found = launch(tasks, Path(work), told)
    pairs: dict[tuple[str, str], list[Outcome]] = {}
    for task, outcome in found.items():
        pairs.setdefault((task.hazard, task.strategy), []).append(outcome)
    return pairs
