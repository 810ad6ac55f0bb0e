"""Whether what stands in a comparison agrees with its own samples: an edited figure is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from bench import store
from bench.collection.integrity import objections

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.collection.compared import Comparison
    from bench.collection.index import Entry

MOST_RUNS = 8
"""Each is read whole and computed again, some tenths of a second: of more, none is."""


def doubts(entries: Sequence[Entry], comparisons: Iterable[Comparison]) -> dict[str, str]:
    """A sentence for each run that stands for a column and disagrees with itself, by the run's id.

    A run is computed once, however many comparisons it stands in. Runs that were made up say so
    themselves, and that one is unfinished is told with its comparison.
    """
    asked = {entry.head.id: entry for entry in entries if not entry.head.synthetic}
    shown: dict[str, Entry] = {}
    for comparison in comparisons:
        standing = {run: asked[run] for run in standing_in(comparison) if run in asked}
        if len(standing) <= MOST_RUNS:
            shown |= standing
    return {run: told for run, entry in shown.items() if (told := _told(entry))}


def standing_in(comparison: Comparison) -> list[str]:
    """Ids of the runs that stand for a column of some workload, each once."""
    return list(
        dict.fromkeys(run for workload in comparison.workloads for run in workload.stands.values())
    )


def _told(entry: Entry) -> str:
    try:
        run = store.load(entry.file)[1]
    except store.StoreError:  # it has vanished since it was read
        return ""
    refusals = objections(replace(run, state="done")).refusals
    if not refusals:
        return ""
    rest = f", and {len(refusals) - 1} more" if len(refusals) > 1 else ""
    return f"{entry.head.id} disagrees with itself: {refusals[0]}{rest}"
