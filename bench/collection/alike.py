"""Every comparison that a collection allows: for each axis, the runs that differ in that alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench.collection.asked import Asked
from bench.collection.comparison import compare
from bench.collection.gathering import Gathered
from bench.collection.settings import AXES, MOVES_WITH, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bench.collection.compared import Comparison
    from bench.collection.index import Entry

    Key = tuple[str, ...]
    Works = dict[str, list[Entry]]

OF_A_WORKLOAD = ("batch", "topology", "version")
"""Settings that one run may have several of: each of its workloads has its own."""


def alike(entries: Sequence[Entry]) -> list[Comparison]:
    """Comparisons by each axis, where at least two of its values are there.

    What other settings are is up to the runs: those that share them all are one comparison, so that
    none is ever refused. A collection without a pair of such runs has no comparison.
    """
    found = []
    for axis in dict.fromkeys(AXES.values()):
        for works in _groups(entries, axis):
            kept: dict[str, Entry] = {}
            for workload, members in works.items():
                for entry in members:
                    known = kept.get(entry.head.id, replace(entry, works={}))
                    shared = {**known.works, workload: entry.works[workload]}
                    kept[entry.head.id] = replace(known, works=shared)
            found.append(compare(Gathered(list(kept.values())), Asked(axis)))
    return found


def _groups(entries: Iterable[Entry], axis: str) -> Iterator[Works]:
    """Workloads with their runs, one group for all settings but the axis."""
    free = {axis, MOVES_WITH.get(axis)}
    shared: dict[Key, dict[Key, list[Entry]]] = {}
    for entry in entries:
        for workload, settings in entry.works.items():
            outer = [n for n in SETTINGS if n not in free and n not in OF_A_WORKLOAD]
            inner = [n for n in OF_A_WORKLOAD if n not in free]
            by_work = shared.setdefault(tuple(settings[n] for n in outer), {})
            by_work.setdefault((workload, *(settings[n] for n in inner)), []).append(entry)
    for by_work in shared.values():
        yield from _layers(by_work, axis)


def _layers(by_work: dict[Key, list[Entry]], axis: str) -> Iterator[Works]:
    """Groups that have each workload in one version: a second version is in a second group."""
    layers: list[Works] = []
    for (workload, *_), members in by_work.items():
        if len({entry.works[workload][axis] for entry in members}) < 2:
            continue
        layer = next((each for each in layers if workload not in each), None)
        if layer is None:
            layer = {}
            layers.append(layer)
        layer[workload] = members
    yield from layers
