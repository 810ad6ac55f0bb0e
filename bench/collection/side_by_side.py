"""Runs of a collection side by side: what there is, and who did the same work."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.work import work

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.records import Cell, Machine, Run

DISTINGUISHING = (
    "name",
    "torch",
    "cpu",
    "cores",
    "quota",
    "accelerator",
    "accelerator_memory_bytes",
    "cuda",
    "cudnn",
    "driver",
    "blas",
    "cpu_capability",
    "settings",
    "gpu",
)
"""What tells the columns of a table apart. Kernel, Python and the memory that a virtual machine
happens to have change all the time, and bear little on a ratio."""


@dataclass(frozen=True)
class Kept:
    """A run of the collection, and where its folder is, relative to the results folder."""

    place: str
    run: Run


@dataclass(frozen=True)
class Column:
    """The latest run on one machine with one torch, and what else its label needs to tell."""

    kept: Kept
    label: str


@dataclass(frozen=True)
class Group:
    """The same work of the same version of a workload, wherever it was done.

    Attributes:
        version: what stands for the model, its batches and their files; "" in early runs.
        settings: what all columns have in common, as `bench.work.work` names it.
        cells: by strategy and column; a column may lack a strategy.
    """

    workload: str
    version: str
    settings: dict[str, Any]
    columns: list[Column]
    strategies: list[str]
    cells: dict[tuple[str, int], Cell]


def groups(kept: Sequence[Kept]) -> list[Group]:
    """Every group of cells that may be compared, workloads by name, in an order of their own."""
    members: defaultdict[tuple[Any, ...], list[Kept]] = defaultdict(list)
    for one in kept:
        for key in dict.fromkeys(_key(one.run, cell) for cell in one.run.cells):
            members[key].append(one)
    return [_group(key, members[key]) for key in sorted(members, key=repr)]


def settings_of(run: Run) -> dict[str, Any]:
    """The settings that all cells of a run have in common; those that vary are left out."""
    each = [_settings(run, cell) for cell in run.cells]
    first = each[0] if each else {}
    return {name: value for name, value in first.items() if all(one[name] == value for one in each)}


def latest_of(kept: Iterable[Kept]) -> dict[tuple[Any, ...], list[Kept]]:
    """Runs on equal machines, the latest first."""
    equal: defaultdict[tuple[Any, ...], list[Kept]] = defaultdict(list)
    for one in sorted(kept, key=lambda one: (one.run.started, one.run.id), reverse=True):
        equal[machine_key(one.run.machine)].append(one)
    return equal


def machine_key(machine: Machine) -> tuple[Any, ...]:
    """What tells a machine with its torch from others."""
    return tuple(getattr(machine, name) for name in DISTINGUISHING)


def _key(run: Run, cell: Cell) -> tuple[Any, ...]:
    return cell.workload, cell.fingerprint, *_settings(run, cell).items()


def _settings(run: Run, cell: Cell) -> dict[str, Any]:
    """The work of a cell; on an accelerator, threads of the host are no part of it."""
    settings = work(run, cell)
    if cell.device != "cpu":
        del settings["threads"]
    return settings


def _group(key: tuple[Any, ...], members: list[Kept]) -> Group:
    workload, version, *settings = key
    latest = [runs[0] for runs in latest_of(members).values()]
    latest.sort(key=lambda one: (one.run.machine.name, one.run.machine.torch, one.run.started))
    columns = [Column(one, label) for one, label in zip(latest, _labels(latest), strict=True)]
    cells: dict[tuple[str, int], Cell] = {}
    for place, column in enumerate(columns):
        for cell in column.kept.run.cells:
            if _key(column.kept.run, cell) == key:
                cells[cell.strategy, place] = cell
    strategies = list(dict.fromkeys(strategy for strategy, _ in cells))
    strategies.sort(key=lambda strategy: strategy != "full")
    return Group(workload, version, dict(settings), columns, strategies, cells)


def _labels(columns: Sequence[Kept]) -> list[str]:
    """Machine and torch, and what else differs where these alone would be the same."""
    labels = []
    for one in columns:
        machine = one.run.machine
        alike = [
            other.run.machine
            for other in columns
            if (other.run.machine.name, other.run.machine.torch) == (machine.name, machine.torch)
        ]
        parts = [machine.name, f"torch {machine.torch}"]
        for name in DISTINGUISHING:
            if len({getattr(other, name) for other in alike}) > 1:
                parts += _told(
                    name, getattr(machine, name), [getattr(other, name) for other in alike]
                )
        labels.append(", ".join(parts))
    return labels


def _told(name: str, value: Any, others: list[Any]) -> list[str]:
    fields = getattr(value, "__struct_fields__", None)
    if value is None:
        return [f"{name} not recorded"]
    if fields is None:
        return [f"{name} {value}"]
    return [
        f"{field} {getattr(value, field)}"
        for field in fields
        if any(
            other is not None and getattr(other, field) != getattr(value, field) for other in others
        )
    ]
