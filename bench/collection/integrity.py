"""What can be said against a run from elsewhere: does it agree with itself, and tell no secrets?

Figures cannot be proved from afar, but a run that was cut, merged or edited by hand seldom still
agrees with itself: lists that belong together, a summary that follows from its samples, a verdict
that follows from what moved.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bench.collection.cells import cell_doubts, cell_objections, is_a_duration
from bench.collection.follows import summary_objections
from bench.collection.words import revealing_words, shown, unfit_words
from bench.records import SCHEMA
from bench.store import slug

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Run

_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}", re.ASCII)

_APART = timedelta(hours=1)
_AHEAD = timedelta(days=1)


@dataclass(frozen=True)
class Objections:
    """Sentences about one run: `refusals` keep it out of a collection, `notes` are told."""

    refusals: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def objections(run: Run, now: datetime | None = None) -> Objections:
    """All that speaks against a run; empty where nothing does.

    Args:
        run: from elsewhere.
        now: the time, with its zone, after which no run began; that of this machine if not given.

    What is told of a summary presupposes lists that are parallel, so a run with a refusal of the
    one kind is not asked for the other.
    """
    refusals = [*_of_the_run(run), *_of_its_start(run, now), *unfit_words(run)]
    for cell in run.cells:
        refusals += cell_objections(cell)
    notes = list(_worth_a_look(run))
    if not refusals:
        found, doubts = summary_objections(run)
        refusals += found
        notes += doubts
        notes += [doubt for cell in run.cells for doubt in cell_doubts(cell)]
    return Objections(refusals, notes)


def is_an_id(text: str) -> bool:
    """Whether a run's id has the form that `bench.store.create` gives it."""
    return _ID.fullmatch(text) is not None


def place(run: Run) -> str:
    """The folder of a run below a results folder: `<machine>/<run>`."""
    return f"{slug(run.machine.name)}/{run.id}"


def _of_the_run(run: Run) -> Iterator[str]:
    if not 1 <= run.schema <= SCHEMA:
        yield f"its schema is {run.schema}, and there are 1 to {SCHEMA}"
    if run.synthetic:
        yield "its figures were made up for a test (`synthetic`)"
    if run.state != "done":
        yield f"it is {run.state}, not done; finish it with `freezebench run --resume`"
    if not is_an_id(run.id):
        yield f"its id {shown(run.id)} is not of the form 20260131-235959-0a1b"
    if not run.cells:
        yield "it has no cell"
    for name in ("surveyed_seconds", "timed_seconds"):
        if not is_a_duration(getattr(run, name)):
            yield f"{name} is {getattr(run, name)}"
    keys = Counter((cell.workload, cell.strategy) for cell in run.cells)
    for (workload, strategy), count in keys.items():
        if count > 1:
            yield f"{shown(workload)} × {shown(strategy)} is there {count} times"


def _worth_a_look(run: Run) -> Iterator[str]:
    if run.project.dirty:
        yield "it was measured with files that differ from the commit"
    if run.project.commit is None:
        yield "it does not say which commit measured"
    failed = [cell for cell in run.cells if cell.verdict == "failed"]
    if failed:
        yield f"{len(failed)} of its {len(run.cells)} cells failed"
    yield from revealing_words(run)


def _of_its_start(run: Run, now: datetime | None) -> Iterator[str]:
    """It began when its id was made, and not in a day to come; clocks may differ a little."""
    began = _utc(run.started)
    if began is None:
        yield f"it began at {shown(run.started)}, which is no time with its zone, +00:00"
        return
    if is_an_id(run.id):
        named = _utc(f"{run.id[:8]}T{run.id[9:15]}+00:00")
        if named is None or abs(began - named) > _APART:
            yield f"it began at {shown(run.started)}, and its id {run.id} is of another time"
    if began > (now or datetime.now(UTC)) + _AHEAD:
        yield f"it began at {shown(run.started)}, which is yet to come"


def _utc(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.utcoffset() == timedelta(0) else None
