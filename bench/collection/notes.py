"""What a reader of a comparison should know beside the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.collection.asked import Asked
    from bench.collection.columns import Side
    from bench.collection.compared import Compared
    from bench.collection.reading import Head

_SHOWN = 4  # names in one note


def notes(sides: Sequence[Side], compared: Sequence[Compared], asked: Asked) -> list[str]:
    """Everything that bears on how far the figures can be trusted, a sentence each."""
    heads = {
        head.id: head
        for side in sides
        for head in (side.stands(workload).head for workload in side.works)
    }
    return [
        *_lying_alone(sides, compared),
        *_of_runs(list(heads.values())),
        *_of_what_lies_beside(list(heads.values()), asked),
        *_of_files(compared, asked),
    ]


def _lying_alone(sides: Sequence[Side], compared: Sequence[Compared]) -> Iterator[str]:
    if len(sides) == 1:
        yield (
            f"all runs are of one column, {sides[0].label}, so there is nothing to compare with; "
            "name further runs, or tell columns apart by something else with --by"
        )
        return
    alone = [each.workload for each in compared if len(each.columns) == 1]
    if len(alone) == len(compared):
        has = "; ".join(f"{side.label} has {_named(list(side.works))}" for side in sides[:_SHOWN])
        yield f"no workload is in two columns, so none lies side by side: {has}"
    elif alone:
        yield f"in one column alone: {_named(alone)}"
    for each in compared:
        shared = [
            name
            for name in each.strategies
            if name != "full" and sum((name, place) in each.figures for place in each.columns) > 1
        ]
        if len(each.columns) > 1 and not shared:
            yield (
                f"{each.workload}: no strategy beside full is in two columns; measure the same "
                "strategies in each"
            )


def _of_runs(heads: Sequence[Head]) -> Iterator[str]:
    if made_up := [head.id for head in heads if head.synthetic]:
        yield f"synthetic, their figures were made up: {_named(made_up)}"
    for state in ("running", "interrupted"):
        if unfinished := [head.id for head in heads if head.state == state]:
            verb = "still running, or killed" if state == "running" else "interrupted"
            yield f"{verb}, and no finished run is there in its place: {_named(unfinished)}"
    if dirty := [head.id for head in heads if head.dirty]:
        yield f"measured by code with changes that were not committed: {_named(dirty)}"
    commits = {head.commit for head in heads}
    if len(commits) > 1:
        named = [commit[:8] if commit else "unknown" for commit in sorted(commits, key=str)]
        yield (
            f"measured by different commits of freezebench: {_named(named)}; a difference may be "
            "of the code that measured"
        )


def _of_what_lies_beside(heads: Sequence[Head], asked: Asked) -> Iterator[str]:
    """Versions and the like: what is not told differs from nothing, and the axis is no news."""
    names = dict.fromkeys(name for head in heads for name in head.beside if name != asked.axis)
    differing = []
    for name in names:
        values = sorted({head.beside[name] for head in heads if name in head.beside})
        if len(values) > 1:
            differing.append(f"{name} ({_some(values)})")
    if differing:
        yield (
            f"these runs also differ in {'; '.join(differing)}; a difference between their figures "
            "may come from there"
        )


def _some(values: Sequence[str]) -> str:
    """The first two of several values."""
    if len(values) > 2:
        return f"{values[0]}, {values[1]} and {len(values) - 2} more"
    return " and ".join(values)


def _of_files(compared: Sequence[Compared], asked: Asked) -> Iterator[str]:
    if asked.axis == "batch" or "batch" in asked.allow:
        yield (
            "whether the workloads are the same but for their batch was not checked: their "
            "fingerprint holds the batch"
        )
        return
    for each in compared:
        fulls = {each.figures[key].fingerprint for key in each.figures if key[0] == "full"}
        if len(fulls) > 1:
            continue
        for name in each.strategies:
            own = {f.fingerprint for key, f in each.figures.items() if key[0] == name} - {""}
            if len(own) > 1:
                yield f"{each.workload}: {name} is not the same file in all columns"


def _named(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
