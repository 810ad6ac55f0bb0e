"""What to do after a time gate: where to look, what would help, and how to run it again."""

from __future__ import annotations

import math
import shlex
from statistics import fmean
from typing import TYPE_CHECKING

from bench.gate.time.record import Terms
from bench.names import printable
from bench.report.gate.time_words import (
    BUSY,
    by_cell,
    fraction,
    others_share,
    percent,
    stolen_share,
)

if TYPE_CHECKING:
    from bench.gate.time.record import Gate, Row

USUAL = {
    "--device": "cpu",
    "--dtype": "float32",
    "--optimizer": "adam",
    "--threads": "1",
    "--seed": "0",
    "--margin": fraction(Terms().margin),
    "--phase-margin": fraction(Terms().phase_margin),
    "--budget": f"{Terms().budget:g}",
    "--cell-timeout": "300",
}
"""What the command line takes where nothing is said; a command that says it is only longer."""

_ROUND = 10  # seconds to which a budget is rounded up


def advice(gate: Gate) -> list[str]:
    """What to do now, in sentences; nothing after a PASS."""
    if gate.answer == "FAIL":
        return _after_fail(gate)
    if gate.answer == "CAN'T TELL":
        return _after_no_answer(gate)
    return []


def again(gate: Gate) -> str:
    """The command that asks the same again, after CAN'T TELL with a budget for all lives.

    Interpreters of the sides are not recorded, and a folder only by its last name; both are to be
    filled in.
    """
    larger = _budget_for_all(gate) if gate.answer == "CAN'T TELL" else None
    return command(gate, larger)


def command(gate: Gate, budget: float | None = None) -> str:
    """The `freezebench gate time` line for a gate, quoted for a POSIX shell."""
    request, terms = gate.request, gate.terms
    options: list[tuple[str, object]] = [
        ("--base", gate.base.spec),
        ("--head", gate.head.spec),
        *(("--workload", name) for name in request.workloads),
        *(("--strategy", name) for name in request.strategies),
        ("--device", request.device),
        ("--dtype", request.dtype),
        ("--batch", request.batch),
        ("--threads", request.threads),
        ("--optimizer", request.optimizer),
        ("--seed", request.seed),
        ("--margin", fraction(terms.margin)),
        ("--phase-margin", fraction(terms.phase_margin)),
        ("--budget", f"{budget or terms.budget:g}"),
        ("--cell-timeout", f"{request.cell_timeout:g}"),
        *(("--freeze", pattern) for pattern in request.freeze),
        ("--weights", request.weights),
    ]
    words = ["freezebench", "gate", "time"]
    for option, value in options:
        if value is not None and USUAL.get(option) != str(value):
            words += [option, shlex.quote(printable(str(value)))]
    words += ["--compile"] * request.compile + ["--channels-last"] * request.channels_last
    return " ".join(words)


def _after_fail(gate: Gate) -> list[str]:
    failing = {
        name: [row for row in rows if row.answer == "FAIL" and row.judged]
        for name, rows in by_cell(gate.rows).items()
    }
    of_cell = by_cell(gate.rows)
    said = [f"{name}: {_where(rows, of_cell[name])}." for name, rows in failing.items() if rows]
    said.append(
        "freezebench gate counters compares without noise what a step computes, dispatches and "
        "keeps: where it finds a difference, that is the place to look; where it finds none, the "
        "same work has become slower."
    )
    return said


def _where(failing: list[Row], rows: list[Row]) -> str:
    phases = [row for row in failing if row.phase != "total"]
    if phases:
        slower = [f"{row.phase} ({percent(row.head.value)})" for row in phases]
        return f"look at {' and '.join(slower)}"
    parts = [row for row in rows if row.phase != "total" and row.head.low > 1]
    if not parts:
        return "no phase alone is slower for certain, so what it costs is spread over the step"
    largest = max(parts, key=lambda row: row.share * (row.head.value - 1))
    return f"no phase alone is certain, but most of it seems to be {largest.phase}"


def _after_no_answer(gate: Gate) -> list[str]:
    said = []
    larger = _budget_for_all(gate)
    if larger is not None:
        said.append(
            f"A budget of {larger:g} s holds all {gate.terms.looks[-1]} lives that a gate has at "
            "most, and an interval narrows with their square root."
        )
    elif gate.lives:
        said.append(
            f"A gate has {gate.terms.looks[-1]} lives at most, and it had them, so a larger budget "
            "changes nothing; wider margins would."
        )
    if len(by_cell(gate.rows)) > 1:
        said.append("Fewer cells at once leave each more of every life.")
    if (gate.request.threads or 1) > 1 and gate.request.device == "cpu":
        said.append(
            "With --threads 1 processor time is judged, which neighbours on the machine hardly "
            "change."
        )
    if (others_share(gate) or 0) > BUSY or (stolen_share(gate) or 0) > BUSY:
        said.append("The machine was busy with other work: a quieter hour or runner would help.")
    return said


def _budget_for_all(gate: Gate) -> float | None:
    """Seconds that hold all lives up to the last look; `None` where the gate had them."""
    trial = sum(life.purpose == "trial" for life in gate.lives)
    if not gate.lives or trial >= gate.terms.looks[-1]:
        return None
    each = max(fmean(life.seconds for life in gate.lives), gate.seconds / len(gate.lives))
    return float(math.ceil(each * gate.terms.looks[-1] / _ROUND) * _ROUND)
