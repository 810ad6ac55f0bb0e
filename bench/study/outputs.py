"""The files of the study: what is read from its folder, and what is written there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from bench.gate.time.effects import share_of
from bench.gate.time.record import PHASES
from bench.report.look import render
from bench.study.findings import Settings, findings
from bench.study.plots import designs, operating, rivals
from bench.study.rates_csv import rates_csv
from bench.study.record import RealGate, Trace, read, write
from bench.study.report import report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRACES, GATES = "traces", "gates.json.gz"
PLOTS = {"operating": operating, "rivals": rivals, "designs": designs}
FORMS: tuple[Literal["png", "svg"], ...] = ("png", "svg")


class NothingKeptError(ValueError):
    """There is neither a trace nor a gate; the message says where they were looked for."""


def trace_file(results: Path, scenario: str) -> Path:
    """Where the trace of a scenario is."""
    return results / TRACES / f"{scenario}.json.gz"


def gates_in(results: Path) -> list[RealGate]:
    """The gates that were run so far."""
    file = results / GATES
    return read(file, list[RealGate]) if file.exists() else []


def write_gates(results: Path, gates: list[RealGate]) -> None:
    """Keep the gates that were run."""
    write(results / GATES, gates)


def shares_in(results: Path) -> dict[str, float]:
    """Each phase's part of a step, by the trace of equal sides on an idle machine.

    Raises:
        NothingKeptError: there is no such trace.
    """
    file = trace_file(results, "equal-idle")
    if not file.exists():
        raise NothingKeptError(f"{file} is not there; run `python -m bench.study collect` first")
    lives = read(file, Trace).lives
    return {phase: share_of(lives, 0, phase) for phase in PHASES if phase != "total"}


def analyse(
    results: Path, settings: Settings, told: Callable[[str], None] = lambda _: None
) -> list[Path]:
    """Read traces and gates, and write README.md, rates.csv and the plots beside them.

    Raises:
        NothingKeptError: there is nothing to read.
        msgspec.DecodeError, OSError: a file is not what it should be.
    """
    traces = [read(file, Trace) for file in sorted((results / TRACES).glob("*.json.gz"))]
    gates = gates_in(results)
    if not traces and not gates:
        raise NothingKeptError(
            f"{results} holds neither {TRACES}/*.json.gz nor {GATES}; run `python -m bench.study "
            "collect` first"
        )
    found = findings(traces, gates, settings, told, processes=os.cpu_count() or 1)
    pictures = {
        f"{name}.{form}": render(figure, form)
        for name, draw in PLOTS.items()
        if (figure := draw(found)) is not None
        for form in FORMS
    }
    files = {"README.md": report(found, pictures), "rates.csv": rates_csv(found), **pictures}
    for name, content in files.items():
        (results / name).write_bytes(content)
    return [results / name for name in files]
