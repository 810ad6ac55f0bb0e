"""How the counts of one cell differ from those of another: figure by figure, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.records import PHASES, Record, Split

if TYPE_CHECKING:
    from bench.gate.counters.golden import CellCounts, WorkloadCounts

Value = int | str | list[str] | None

SPLITS = ("parameter_bytes", "buffer_bytes", "gradient_bytes", "optimizer_bytes")
NAMES = ("moved", "midway_moved", "without_gradient", "midway_without_gradient")
PLAIN = (
    "forward_flops",
    "backward_flops",
    "autograd_nodes",
    "saved_bytes",
    "strategy_bytes",
    "predicted_peak_bytes",
    "peak_bytes",
)


class Difference(Record, frozen=True, omit_defaults=False):
    """One counter that was something and now is something else; `None` is absent.

    A counter with parts has a dot: `gradient_bytes.frozen`, `operators.update`.
    """

    counter: str
    was: Value
    now: Value

    @property
    def change(self) -> int | None:
        """By how much a figure grew; `None` where one side is no figure."""
        if isinstance(self.was, int) and isinstance(self.now, int):
            return self.now - self.was
        return None

    @property
    def fraction(self) -> float | None:
        """The change relative to what it was; `None` where that was 0 or no figure."""
        if self.change is None or not isinstance(self.was, int) or self.was == 0:
            return None
        return self.change / self.was

    @property
    def added(self) -> list[str]:
        """Names that were not there."""
        return _beyond(self.now, self.was)

    @property
    def removed(self) -> list[str]:
        """Names that are no longer there."""
        return _beyond(self.was, self.now)


def counters_of(cell: CellCounts) -> dict[str, Value]:
    """All counters of a cell under one name each, in reading order."""
    found: dict[str, Value] = {
        "verdict": cell.verdict,
        "midway_verdict": cell.midway_verdict,
        **{name: list(getattr(cell, name)) for name in NAMES},
        "frozen_tensors": cell.frozen_tensors,
        "counted_on": cell.counted_on,
        **{name: getattr(cell, name) for name in PLAIN},
    }
    for phase in sorted(cell.operators, key=_place):
        found[f"operators.{phase}"] = cell.operators[phase]
    for name in SPLITS:
        split: Split | None = getattr(cell, name)
        found[f"{name}.frozen"] = None if split is None else split.frozen
        found[f"{name}.trainable"] = None if split is None else split.trainable
    return found


def differences(was: CellCounts, now: CellCounts) -> list[Difference]:
    """Every counter that differs, in reading order."""
    before, after = counters_of(was), counters_of(now)
    return [
        Difference(name, before.get(name), after.get(name))
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def circumstances(was: WorkloadCounts, now: WorkloadCounts) -> list[Difference]:
    """What differs about a workload as a whole, and with it about each of its cells."""
    return [
        Difference(name, getattr(was, name), getattr(now, name))
        for name in ("batch", "topology")
        if getattr(was, name) != getattr(now, name)
    ]


def _beyond(one: Value, other: Value) -> list[str]:
    there = other if isinstance(other, list) else []
    return [name for name in one if name not in there] if isinstance(one, list) else []


def _place(phase: str) -> int:
    return PHASES.index(phase) if phase in PHASES else len(PHASES)
