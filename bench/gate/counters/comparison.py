"""What was found beside what was agreed to: every cell with its differences and what they mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec

from bench.gate.counters import invariants, meaning
from bench.gate.counters.differences import Difference, circumstances, differences
from bench.records import Record

if TYPE_CHECKING:
    from bench.gate.counters.golden import Entry, WorkloadCounts

SCHEMA = 1

GONE = ["the golden file has it, and this request no longer leads to it"]
UNKNOWN = ["the golden file does not have it yet"]

Kind = Literal["equal", "changed", "new", "missing", "failed", "unmeasured"]
Outcome = Literal["equal", "differs", "failed"]


class CellFinding(Record, frozen=True, omit_defaults=False):
    """A cell, beside what the golden file has of it.

    Attributes:
        kind: `new` is not in the golden file yet, `missing` only there; `failed` was measured there
            and could not be now, or belongs to a workload of which nothing could be counted;
            `unmeasured` has failed and never was in there.
        differences: counter by counter, for a cell that has `changed`.
        meaning: what they usually mean, or why the cell failed.
        improvement: whether the cell differs and nothing about it is worse.
    """

    workload: str
    strategy: str
    kind: Kind
    differences: list[Difference] = msgspec.field(default_factory=list)
    meaning: list[str] = msgspec.field(default_factory=list)
    improvement: bool = False


class Comparison(Record, frozen=True, omit_defaults=False):
    """The answer of the gate.

    Attributes:
        golden: the file, as it was given.
        torch: the version that counted.
        against: the minor version that it was compared with; absent where there was none.
        exact: whether that is its own; otherwise invariants alone were compared.
        outcome: `failed` if any cell has failed, whatever else there is.
        counting: what is wrong with the counting itself, in sentences.
        updated: whether the golden file holds these counts now.
        changed_files: workloads whose tensors, batches or file are not those that were counted.
    """

    schema: int
    golden: str
    torch: str
    against: str | None
    exact: bool
    outcome: Outcome
    cells: list[CellFinding]
    counting: list[str] = msgspec.field(default_factory=list)
    updated: bool = False
    changed_files: list[str] = msgspec.field(default_factory=list)

    @property
    def differing(self) -> list[CellFinding]:
        """Cells that are not as the golden file has them, those that failed left out."""
        return [cell for cell in self.cells if cell.kind in ("changed", "new", "missing")]

    @property
    def failed(self) -> list[CellFinding]:
        """Cells that have failed and should not have."""
        return [cell for cell in self.cells if cell.kind == "failed"]

    @property
    def improvement(self) -> bool:
        """Whether there are differences, and all of them are improvements."""
        return bool(self.differing) and all(cell.improvement for cell in self.differing)


@dataclass(frozen=True)
class Found:
    """What was counted of one workload now.

    Attributes:
        counts: the cells that could be counted.
        failures: why each of the others could not.
        reasons: of the verdicts, fresh and midway, with figures; they are not compared.
        complete: whether every cell that the golden file has of it was asked for.
    """

    counts: WorkloadCounts
    failures: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, tuple[str, str]] = field(default_factory=dict)
    complete: bool = True


def compare(
    found: dict[str, Found], stored: Entry | None, *, exact: bool, complete: bool
) -> list[CellFinding]:
    """A finding for each cell, in the order that they were counted in, missing ones last.

    Args:
        found: what was counted, by workload.
        stored: what it is compared with, if there is anything.
        exact: whether every counter must be equal, or only what holds on any torch.
        complete: whether every workload of the stored entry was asked for.
    """
    known = {} if stored is None else stored.workloads
    findings = [
        finding
        for workload, counted in found.items()
        for finding in _of_workload(workload, counted, known.get(workload), exact=exact)
    ]
    if complete:
        findings += [
            CellFinding(workload, strategy, "missing", meaning=GONE)
            for workload, then in known.items()
            if workload not in found
            for strategy in then.cells
        ]
    return findings


def changed_files(found: dict[str, Found], stored: Entry | None) -> list[str]:
    """Workloads whose fingerprint is another one now: their differences come from there."""
    known = {} if stored is None else stored.workloads
    return [
        workload
        for workload, counted in found.items()
        if workload in known and known[workload].fingerprint != counted.counts.fingerprint
    ]


def outcome_of(findings: list[CellFinding], counting: list[str]) -> Outcome:
    """The answer in a word; a failure outweighs a difference."""
    kinds = {finding.kind for finding in findings}
    if "failed" in kinds:
        return "failed"
    return "differs" if counting or kinds & {"changed", "new", "missing"} else "equal"


def _of_workload(
    workload: str, found: Found, then: WorkloadCounts | None, *, exact: bool
) -> list[CellFinding]:
    stored = {} if then is None else then.cells
    about = [] if then is None else circumstances(then, found.counts)
    disorders = {} if exact or then is None else invariants.disorders(then, found.counts)
    findings = []
    for strategy in (*found.counts.cells, *found.failures):
        if strategy in found.failures:
            counted = strategy not in stored and found.counts.cells
            kind: Kind = "unmeasured" if counted else "failed"
            why = [found.failures[strategy]]
            findings.append(CellFinding(workload, strategy, kind, meaning=why))
        elif strategy not in stored:
            findings.append(CellFinding(workload, strategy, "new", meaning=UNKNOWN))
        else:
            changes = [*about, *differences(stored[strategy], found.counts.cells[strategy])]
            changes = changes if exact else invariants.kept(changes)
            reading = meaning.read(changes, *found.reasons.get(strategy, ("", "")))
            disorder = disorders.get(strategy, [])
            findings.append(
                CellFinding(
                    workload,
                    strategy,
                    "changed" if changes or disorder else "equal",
                    changes,
                    reading.sentences + disorder,
                    reading.improvement and not disorder,
                )
            )
    if found.complete:
        findings += [
            CellFinding(workload, strategy, "missing", meaning=GONE)
            for strategy in stored
            if strategy not in found.counts.cells and strategy not in found.failures
        ]
    return findings
