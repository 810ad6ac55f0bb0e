"""Whether what stands in a comparison agrees with its own samples: an edited figure is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import store
from bench.collection.integrity import objections

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.collection.compared import Comparison
    from bench.collection.index import Entry

MOST_RUNS = 8
"""Each is read whole and computed again, some tenths of a second: of more, none is."""


def doubts(entries: Sequence[Entry], comparisons: Iterable[Comparison]) -> list[str]:
    """A sentence for each run that stands for a column and disagrees with itself.

    Runs that were made up say so themselves.
    """
    standing = {
        run
        for comparison in comparisons
        for workload in comparison.workloads
        for run in workload.stands.values()
    }
    shown = [entry for entry in entries if entry.head.id in standing and not entry.head.synthetic]
    if len(shown) > MOST_RUNS:
        return []
    found = []
    for entry in shown:
        try:
            refusals = objections(store.load(entry.file)[1]).refusals
        except store.StoreError:  # it has vanished since it was read
            continue
        told = [sentence for sentence in refusals if "not done" not in sentence]
        if told:
            rest = f", and {len(told) - 1} more" if len(told) > 1 else ""
            found.append(f"{entry.head.id} disagrees with itself: {told[0]}{rest}")
    return found
