"""What every form of the report reads from a run and its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.units import magnitude

if TYPE_CHECKING:
    from bench.records import Cell, Drift, Interval, Memory, Run, Verdict

VERDICTS: tuple[Verdict, ...] = ("reference", "ok", "leaks", "severed", "diverges", "failed")

# A sign beside each word, so that a colour never stands alone.
SIGNS: dict[Verdict, str] = {
    "reference": "=",
    "ok": "✓",
    "leaks": "!",
    "severed": "\u00d7",
    "diverges": "≠",
    "failed": "-",
}


def by_workload(run: Run) -> dict[str, list[Cell]]:
    """The cells of each workload, both in the order of the run."""
    groups: dict[str, list[Cell]] = {}
    for cell in run.cells:
        groups.setdefault(cell.workload, []).append(cell)
    return groups


def strategies_of(run: Run) -> list[str]:
    """Every strategy once, in the order in which the run first shows it."""
    return list(dict.fromkeys(cell.strategy for cell in run.cells))


def reference(cells: list[Cell]) -> Cell | None:
    """The cell that the ratios are against, if it is among `cells`."""
    return next((cell for cell in cells if is_reference(cell)), None)


def is_reference(cell: Cell) -> bool:
    """Whether this is `full` itself; `full+eval` also freezes nothing, and has a ratio."""
    return cell.strategy == "full"


def threads(run: Run) -> str:
    """How many threads the cells had: `2 threads`; nothing for a run without cells."""
    counts = list(dict.fromkeys(cell.threads for cell in run.cells))
    return " and ".join(f"{count} thread{'' if count == 1 else 's'}" for count in counts)


def seconds(cell: Cell, phase: str) -> Interval | None:
    """Seconds a step of a phase, or `None` where the cell was not timed."""
    if cell.summary is None or phase not in cell.summary.phases:
        return None
    return cell.summary.phases[phase].seconds


def lived_once(run: Run) -> bool:
    """Whether a cell was timed in one life alone, so that its times have no interval."""
    return any(cell.summary is not None and cell.summary.lives < 2 for cell in run.cells)


def ratio(cell: Cell, phase: str) -> Interval | None:
    """A phase's ratio to `full`, or `None` where one of the two was not timed."""
    if cell.summary is None or phase not in cell.summary.phases:
        return None
    return cell.summary.phases[phase].ratio


def ideal(cell: Cell, phase: str) -> float | None:
    """The time ratio to `full` that the FLOPs alone would allow."""
    return None if cell.summary is None else cell.summary.ideal.get(phase)


def frozen_kept(cell: Cell) -> int | None:
    """Bytes of gradients and optimizer state that the frozen part still costs."""
    gradient, optimizer = cell.memory.gradient_bytes, cell.memory.optimizer_bytes
    if gradient is None or optimizer is None:
        return None
    return gradient.frozen + optimizer.frozen


def memory_parts(memory: Memory) -> list[tuple[str, bool, int]]:
    """Name, whether it belongs to the frozen part, and bytes, in the order of a stack."""
    splits = {
        "parameters": memory.parameter_bytes,
        "buffers": memory.buffer_bytes,
        "gradients": memory.gradient_bytes,
        "optimizer": memory.optimizer_bytes,
    }
    parts = []
    for name, split in splits.items():
        if split is not None:
            parts += [(name, False, split.trainable), (name, True, split.frozen)]
    for name, size in (
        ("saved for backward", memory.saved_bytes),
        ("strategy's own", memory.strategy_bytes),
    ):
        if size is not None:
            parts.append((name, False, size))
    return [part for part in parts if part[2] > 0]


def joules(cell: Cell) -> Interval | None:
    """What a step takes from the socket, or `None` where the machine has no counter of it."""
    return None if cell.energy is None else cell.energy.joules


def behind(verdict: Verdict, drift: Drift | None) -> str:
    """The figure behind a verdict in a few words; nothing where there is none to tell."""
    if drift is None:
        return ""
    if verdict == "severed" and drift.without_gradient:
        return f"{len(drift.without_gradient)} without grad"
    if verdict == "leaks" and drift.moved:
        return _moved(drift)
    if verdict in ("ok", "diverges") and drift.update_error is not None:
        return f"update off {magnitude(drift.update_error)}"
    return ""


def _moved(drift: Drift) -> str:
    if any(moved.max_abs is None for moved in drift.moved):
        return "moved to NaN or ∞"
    known = [moved.relative for moved in drift.moved if moved.relative is not None]
    return f"moved {magnitude(max(known))}" if known else "moved from 0"


def words(verdict: Verdict) -> str:
    """A verdict with its sign: `✓ ok`."""
    return f"{SIGNS[verdict]} {verdict}"
