"""What a run says: typed, versioned, and strict on reading.

Everything a run has measured is in one `Run`, stored as JSON. Raw samples are kept; figures that
follow from them are in `summary` and can be computed again. A figure that could not be measured is
absent, never 0. Times are seconds, sizes are bytes. Nothing here names a host, a user or a path
of the machine.

History of the schema:
    1  the first.
    2  telemetry beside every turn, energy, and a machine that tells its limits and settings. What 1
       has means the same in 2, so a run of schema 1 is read as one that lacks these.
"""

from __future__ import annotations

from bench.records.audit import AUDIT_SCHEMA, Audit, Finding, KeptBy
from bench.records.cell import Cell
from bench.records.claims import (
    CLAIMS_SCHEMA,
    Answer,
    Arm,
    Claims,
    ClaimVerdict,
    Cost,
    Curve,
    Denoising,
    Figure,
    Source,
    StrategyResult,
)
from bench.records.cost import Counters, Memory, Split
from bench.records.drift import Drift, Midway, Moved
from bench.records.hazards import (
    HAZARDS_SCHEMA,
    OUTCOMES,
    Hazard,
    HazardCell,
    Hazards,
    Outcome,
    OutcomeKind,
)
from bench.records.machine import Gpu, Machine, TorchSettings
from bench.records.record import CONFIDENCE, PHASES, Dtype, Optimizer, Record, Verdict
from bench.records.request import Request
from bench.records.run import SCHEMA, Project, Run
from bench.records.telemetry import Energy, Telemetry
from bench.records.timing import (
    Interference,
    Interval,
    Origin,
    Phase,
    Samples,
    Summary,
    Warmup,
)

__all__ = [
    "AUDIT_SCHEMA",
    "CLAIMS_SCHEMA",
    "CONFIDENCE",
    "HAZARDS_SCHEMA",
    "OUTCOMES",
    "PHASES",
    "SCHEMA",
    "Answer",
    "Arm",
    "Audit",
    "Cell",
    "ClaimVerdict",
    "Claims",
    "Cost",
    "Counters",
    "Curve",
    "Denoising",
    "Drift",
    "Dtype",
    "Energy",
    "Figure",
    "Finding",
    "Gpu",
    "Hazard",
    "HazardCell",
    "Hazards",
    "Interference",
    "Interval",
    "KeptBy",
    "Machine",
    "Memory",
    "Midway",
    "Moved",
    "Optimizer",
    "Origin",
    "Outcome",
    "OutcomeKind",
    "Phase",
    "Project",
    "Record",
    "Request",
    "Run",
    "Samples",
    "Source",
    "Split",
    "StrategyResult",
    "Summary",
    "Telemetry",
    "TorchSettings",
    "Verdict",
    "Warmup",
]
