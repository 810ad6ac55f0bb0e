"""Whether two stored runs are of the same work on the same machine, and what differs exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from bench.work import work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Cell, Machine, Run

    Key = tuple[str, str]

EXACT_BYTES = (
    "parameter_bytes",
    "buffer_bytes",
    "gradient_bytes",
    "optimizer_bytes",
    "saved_bytes",
    "strategy_bytes",
    "peak_bytes",
    "resident_bytes",
)
EXACT_COUNTS = ("forward_flops", "backward_flops", "operators", "autograd_nodes")


class ResultsError(Exception):
    """Two runs cannot be compared; the message says why, and what to do."""


def refuse_what_cannot_be_compared(base: Run, head: Run) -> None:
    """Nothing, if the two runs share work on one machine.

    Raises:
        ResultsError: they do not; the sentence names what differs or is missing.
    """
    if base.id == head.id:
        raise ResultsError(f"BASE and HEAD are the same run ({base.id}); name two")
    if different := list(_differing_fields(base.machine, head.machine)):
        raise ResultsError(
            "BASE and HEAD were measured on different machines, and ratios of one say nothing of "
            f"the other: {', '.join(different)}; measure both on one machine"
        )
    for label, run in (("BASE", base), ("HEAD", head)):
        _refuse_without_times(label, run)
    bases, heads = cells_of(base), cells_of(head)
    shared = [key for key in bases if key in heads]
    if all(strategy == "full" for _, strategy in shared):
        raise ResultsError(
            f"BASE and HEAD have no cell in common beside `full`: BASE has {_listed(list(bases))}, "
            f"HEAD has {_listed(list(heads))}; measure the same workloads and strategies"
        )
    unlike: dict[str, list[Key]] = {}
    for key in shared:
        mine, other = work(base, bases[key]), work(head, heads[key])
        for name in mine:
            if mine[name] != other[name]:
                difference = f"{name} ({mine[name]} and {other[name]})"
                unlike.setdefault(difference, []).append(key)
    if unlike:
        told = [f"{difference} of {_listed(keys)}" for difference, keys in unlike.items()]
        raise ResultsError(
            f"BASE and HEAD did different work: {'; '.join(told)}; measure both with the same "
            "options"
        )


def _refuse_without_times(label: str, run: Run) -> None:
    timed = [cell for cell in run.cells if cell.samples.total]
    if not timed:
        raise ResultsError(
            f"{label} ({run.id}, {run.state}) holds no samples, so there is no time to compare; "
            "finish it with `freezebench run --resume`, or name another run"
        )
    referenced = {cell.workload for cell in timed if cell.strategy == "full"}
    if not any(cell.workload in referenced and cell.strategy != "full" for cell in timed):
        missing = ", ".join(dict.fromkeys(cell.workload for cell in timed))
        raise ResultsError(
            f"{label} ({run.id}) has no strategy timed beside `full` of the same workload "
            f"({missing}), and only ratios to `full` can be compared; measure it again"
        )


def cells_of(run: Run) -> dict[Key, Cell]:
    """The cells of a run by workload and strategy."""
    return {(cell.workload, cell.strategy): cell for cell in run.cells}


def notes(base: Run, head: Run) -> list[str]:
    """What else differs between the shared cells: state, files, verdicts, exact counts."""
    bases, heads = cells_of(base), cells_of(head)
    shared = [key for key in bases if key in heads]
    said = [
        f"{label} is {run.state}: it may hold less than was asked for"
        for label, run in (("BASE", base), ("HEAD", head))
        if run.state != "done"
    ]
    for label, mine, other in (("BASE", bases, heads), ("HEAD", heads, bases)):
        if alone := [key for key in mine if key not in other]:
            said.append(f"only in {label}: {_listed(alone)}")
    changed = [key for key in shared if bases[key].fingerprint != heads[key].fingerprint]
    if changed:
        said.append(f"the model, batches or file differ: {_listed(changed)}")
    for key in shared:
        if bases[key].verdict != heads[key].verdict:
            told = f"{bases[key].verdict} in BASE and {heads[key].verdict} in HEAD"
            said.append(f"{_name(key)} is {told}")
    counts: dict[str, list[str]] = {}
    for key in shared:
        for name, change in _differing_counts(bases[key], heads[key]):
            counts.setdefault(name, []).append(f"{_name(key)} {change}")
    for name, changes in counts.items():
        rest = f", and {len(changes) - 1} more" if len(changes) > 1 else ""
        said.append(f"{name} differs: {changes[0]}{rest}; `freezebench gate counters` judges them")
    return said


def _differing_counts(base: Cell, head: Cell) -> Iterator[tuple[str, str]]:
    for record, other, names in (
        (base.memory, head.memory, EXACT_BYTES),
        (base.counters, head.counters, EXACT_COUNTS),
    ):
        for name in names:
            before, after = getattr(record, name), getattr(other, name)
            if before and after and before != after:  # what one side did not measure is no change
                yield name, f"was {_figure(before)} and is {_figure(after)}"


def _figure(value: Any) -> str:
    plain = msgspec.to_builtins(value)
    if isinstance(plain, dict):
        return ", ".join(f"{name} {count}" for name, count in plain.items())
    return str(plain)


def _differing_fields(then: Machine, now: Machine) -> Iterator[str]:
    for name in then.__struct_fields__:
        before, after = getattr(then, name), getattr(now, name)
        if before != after:
            yield f"{name} ({before} and {after})"


def _name(key: Key) -> str:
    return " × ".join(key)


def _listed(keys: list[Key]) -> str:
    rest = len(keys) - 3
    return ", ".join(map(_name, keys[:3])) + (f" and {rest} more" if rest > 0 else "")
