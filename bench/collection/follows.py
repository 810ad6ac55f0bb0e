"""Does the summary of each cell follow from its samples?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from bench.collection.words import shown
from bench.summary import summarize

if TYPE_CHECKING:
    from bench.records import Cell, Run, Summary

RELATIVE = 1e-6
"""How far two figures from the same samples may lie apart: another libm rounds otherwise."""


def summary_objections(run: Run) -> tuple[list[str], list[str]]:
    """What does not follow, and what may well be so; the lists of the run have to be parallel.

    A cell that failed keeps the summary that it had before, and without `full` those of its
    workload stay behind too, so neither is judged. Whether a cell was `precise` enough is a note
    alone: a run that was taken up again may have asked for another precision.
    """
    refusals: list[str] = []
    notes: list[str] = []
    fulls = {cell.workload: cell for cell in run.cells if cell.strategy == "full"}
    for cell in run.cells:
        full = fulls.get(cell.workload)
        if cell.verdict == "failed" or (full is not None and full.verdict == "failed"):
            continue
        for name, told, found in _differences(cell, full, run.request.precision):
            if name == "precise":
                notes.append(f"{shown(cell.workload)} × {shown(cell.strategy)}: precise is {told}, "
                             f"and of the request's precision it would be {found}")  # fmt: skip
                continue
            refusals.append(
                f"{shown(cell.workload)} × {shown(cell.strategy)}: its summary says {name} "
                f"{_figure(told)}, and its samples give {_figure(found)}"
            )
            break  # one wrong sample changes all figures of a cell
    return refusals, notes


def _differences(
    cell: Cell, full: Cell | None, precision: float
) -> list[tuple[str, object, object]]:
    """The name, the recorded and the recomputed value of every figure that is not the same."""
    fills = cell.summary is not None and cell.summary.fill_seconds is not None
    try:
        found = summarize(cell, full, precision, fills=fills)
    except (ArithmeticError, ValueError) as error:
        return [("its figures", "", f"nothing ({error})")]
    told, follows = _flat(cell.summary), _flat(found)
    names = [*told, *(name for name in follows if name not in told)]
    return [
        (name, told.get(name), follows.get(name))
        for name in names
        if not _same(told.get(name), follows.get(name))
    ]


def _flat(summary: Summary | None) -> dict[str, object]:
    """Every figure by its place: `phases.total.ratio.low`."""
    flat: dict[str, object] = {}

    def into(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                into(f"{name}.{key}" if name else str(key), inner)
        else:
            flat[name] = value

    into("", {} if summary is None else msgspec.to_builtins(summary))
    return flat


def _same(told: object, found: object) -> bool:
    if isinstance(told, float) and isinstance(found, float):
        return math.isclose(told, found, rel_tol=RELATIVE)
    return told == found


def _figure(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:.9g}" if isinstance(value, float) else str(value)
