"""Runs side by side: which stands for what, how the rankings agree, what is never beaten."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from bench.collection.apart import apart
from bench.collection.asked import Asked, UnknownNameError
from bench.collection.columns import Side, machines, sides
from bench.collection.compared import Column, Compared, Comparison, Figures
from bench.collection.labels import plain
from bench.collection.notes import notes
from bench.collection.pareto import unbeaten
from bench.collection.ranking import agreement, orders
from bench.collection.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.collection.gathering import Gathered
    from bench.collection.hardware import Hardware


def compare(gathered: Gathered, asked: Asked | None = None) -> Comparison:
    """What is to say of the runs, workload by workload.

    Raises:
        CollectionError: runs differ that may not lie side by side, or nothing is left.
        UnknownNameError: a value that no run has.
    """
    asked = asked or Asked()
    found = sides(gathered.entries, asked)
    hardwares = machines(gathered.entries)
    workloads = dict.fromkeys(workload for side in found for workload in side.works)
    compared = [_compared(workload, found, asked, hardwares) for workload in workloads]
    _refuse_unknown_strategies(compared, asked)
    compared = [_only(each, asked.values("strategy")) for each in compared]
    return Comparison(
        axis=asked.axis,
        columns=[_column(side) for side in found],
        workloads=[_judged(each) for each in compared],
        notes=[*gathered.notes, *notes(found, compared, asked)],
    )


def _column(side: Side) -> Column:
    standing = [side.stands(workload).head for workload in side.works]
    latest = max(standing, key=lambda head: (head.started, head.id))
    return Column(
        label=side.label,
        run=latest.id,
        started=latest.started,
        machine=latest.hardware.name,
        runs=len(side.runs),
        synthetic=any(head.synthetic for head in standing),
    )


def _compared(
    workload: str, found: Sequence[Side], asked: Asked, hardwares: dict[str, Hardware]
) -> Compared:
    columns = [place for place, side in enumerate(found) if workload in side.works]
    stands = {place: found[place].stands(workload) for place in columns}
    figures = {
        (each.strategy, place): each
        for place, entry in stands.items()
        for each in entry.figures(workload)
    }
    settings = [entry.works[workload] for entry in stands.values()]
    common = {
        name: plain(name, value, hardwares, [value])
        for name in SETTINGS
        if name not in (asked.axis, "topology", "version")
        and len(values := {each[name] for each in settings} - {""}) == 1
        for value in values
    }
    strategies = list(dict.fromkeys(name for name, _ in figures))
    strategies.sort(key=lambda name: name != "full")
    return Compared(
        workload=workload,
        topology=", ".join(dict.fromkeys(each["topology"] for each in settings)),
        settings=common,
        columns=columns,
        strategies=strategies,
        figures=figures,
        agreements=[],
        unbeaten={},
        always_unbeaten=[],
        stands={place: entry.head.id for place, entry in stands.items()},
    )


def _refuse_unknown_strategies(compared: Sequence[Compared], asked: Asked) -> None:
    known = {name for each in compared for name in each.strategies}
    for name in asked.values("strategy"):
        if name not in known:
            raise UnknownNameError(f"no run has strategy {name!r}", name, sorted(known))


def _only(compared: Compared, wanted: Sequence[str]) -> Compared:
    """Those strategies alone, and `full`, which the others are relative to."""
    if not wanted:
        return compared
    kept = [name for name in compared.strategies if name == "full" or name in wanted]
    return replace(
        compared,
        strategies=kept,
        figures={key: each for key, each in compared.figures.items() if key[0] in kept},
    )


def _judged(compared: Compared) -> Compared:
    by_column: dict[int, dict[str, Figures]] = {
        place: {
            name: compared.figures[name, place]
            for name in compared.strategies
            if (name, place) in compared.figures
        }
        for place in compared.columns
    }
    ordered = {place: orders(each, compared.strategies) for place, each in by_column.items()}
    front = {place: unbeaten(list(each.values())) for place, each in by_column.items()}
    return replace(
        compared,
        agreements=[
            agreement(one, other, ordered[one], ordered[other])
            for one, other in combinations(compared.columns, 2)
        ],
        unbeaten=front,
        always_unbeaten=[
            name for name in compared.strategies if all(name in names for names in front.values())
        ],
        apart=apart(by_column, compared.strategies),
    )
