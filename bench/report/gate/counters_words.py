"""The words of the counters' gate, shared by all its forms: figures, groups of cells, answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bench.gate.counters.golden import update_command
from bench.names import printable
from bench.report.units import ABSENT, TIMES

if TYPE_CHECKING:
    from bench.gate.counters.comparison import CellFinding, Comparison
    from bench.gate.counters.differences import Difference, Value


class Group(NamedTuple):
    """Cells of one workload about which there is the same to say."""

    workload: str
    strategies: list[str]
    finding: CellFinding

    @property
    def title(self) -> str:
        """Which cells."""
        return f"{printable(self.workload)} {TIMES} {', '.join(map(printable, self.strategies))}"


def shown(comparison: Comparison) -> list[CellFinding]:
    """Cells worth a word; that all of a first golden file's are new is not."""
    silent = ("equal", "new") if comparison.against is None else ("equal",)
    return [cell for cell in comparison.cells if cell.kind not in silent]


def groups(findings: list[CellFinding]) -> list[Group]:
    """The findings, each once, with all the cells that it is about."""
    found: list[Group] = []
    for finding in findings:
        same = (
            group
            for group in found
            if group.workload == finding.workload
            and group.finding.kind == finding.kind
            and group.finding.differences == finding.differences
            and group.finding.meaning == finding.meaning
        )
        group = next(same, None)
        if group is None:
            found.append(Group(finding.workload, [finding.strategy], finding))
        else:
            group.strategies.append(finding.strategy)
    return found


def heading(finding: CellFinding) -> str:
    """What has become of a cell, in a few words."""
    if finding.kind == "changed":
        return "better" if finding.improvement else "changed"
    names = {
        "equal": "equal",
        "new": "new",
        "missing": "missing",
        "failed": "failed",
        "unmeasured": "failed, and never was in the golden file",
    }
    return names[finding.kind]


def told(difference: Difference) -> str:
    """From, to, and by how much: `1,000 → 1,200 (+200, +20%)`."""
    if isinstance(difference.was, list) or isinstance(difference.now, list):
        signs = [f"+{name}" for name in difference.added]
        signs += [f"-{name}" for name in difference.removed]
        return printable(", ".join(signs))
    text = f"{_value(difference.was)} → {_value(difference.now)}"
    change, fraction = difference.change, difference.fraction
    if change is None:
        return text
    if fraction is None:
        return f"{text} ({change:+,})"
    return f"{text} ({change:+,}, {100 * fraction:+.3g}%)"


def _value(value: Value) -> str:
    if value is None:
        return ABSENT
    return f"{value:,}" if isinstance(value, int) else printable(str(value))


def answer(comparison: Comparison) -> list[str]:
    """The sentences that sum a comparison up, the answer first."""
    compared = [c for c in comparison.cells if c.kind not in ("missing", "unmeasured")]
    update = update_command(comparison.golden)
    said = [f"{_with_what(comparison, len(compared))}: {_found(comparison)}."]
    if not comparison.exact and comparison.against is not None and not comparison.updated:
        said.append(
            f"The golden file has no entry of torch {comparison.torch}, so only what must hold on "
            "any version was compared: verdicts, what moved, the bytes of the model, gradients and "
            "optimizer, forward FLOPs, which strategies are not above full, and the closed form of "
            f"a chain's FLOPs. Add an entry, with this torch, by: {update}"
        )
    if comparison.changed_files:
        names = ", ".join(map(printable, comparison.changed_files))
        said.append(f"The model, batches or file are no longer those that were counted: {names}.")
    if comparison.updated:
        said.append(f"{comparison.golden} holds what was counted now; commit it.")
    elif comparison.failed:
        said.append("What failed could not be compared, and --update would keep nothing.")
    elif comparison.improvement and not comparison.counting:
        said.append(
            "Nothing is worse. The golden file still has the old figures, so this counts as a "
            f"difference until it is kept by: {update}"
        )
    elif comparison.differing:
        said.append(f"If that is what the change is for, keep it by: {update}")
    return said


def _with_what(comparison: Comparison, cells: int) -> str:
    count = "1 cell" if cells == 1 else f"{cells} cells"
    if comparison.against is None:
        return f"{count} counted with torch {comparison.torch}"
    return f"{count} compared with {comparison.golden} (torch {comparison.against})"


def _found(comparison: Comparison) -> str:
    kinds = [cell.kind for cell in comparison.cells]
    parts = [
        f"{kinds.count(kind)} {word}"
        for kind, word in (
            ("changed", "changed"),
            ("new", "new"),
            ("missing", "missing"),
            ("failed", "failed"),
        )
        if kind in kinds
    ]
    if comparison.counting:
        parts.append("the counting itself is wrong")
    if comparison.improvement and not comparison.counting:
        parts.append("all of it for the better")
    held = "all are equal" if comparison.exact else "all that must hold does"
    return ", ".join(parts) or held
