"""The settings that must be equal for two columns to lie side by side, as text by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from bench.collection.hardware import hardware
from bench.work import work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.records import Cell, Machine, Run

Settings = dict[str, str]

SETTINGS = (
    "schema",
    "device",
    "machine",
    "torch",
    "switches",
    "dtype",
    "batch",
    "threads",
    "optimizer",
    "compile",
    "channels_last",
    "freeze",
    "weights",
    "topology",
    "version",
)
"""All names, the weightiest first: the first that differs is the one that is told."""

AXES = {
    "gpu": "machine",
    "machine": "machine",
    "torch": "torch",
    "dtype": "dtype",
    "batch": "batch",
    "threads": "threads",
    "optimizer": "optimizer",
    "compile": "compile",
    "channels-last": "channels_last",
}
"""What columns can be told apart by, and the setting behind it."""

MOVES_WITH = {"batch": "version", "freeze": "topology"}
"""A setting that changes with another: the fingerprint of a workload holds its batches' shapes."""

UNKNOWN = "unknown"


def settings(run: Run, cells: Sequence[Cell]) -> Settings:
    """The settings of one workload of a run.

    Args:
        run: that holds the cells.
        cells: all of one workload; the reference speaks for them, since the fingerprint of another
            may hold the file of its strategy.

    An empty text is a setting that has no bearing, such as the threads of a run on an accelerator.
    """
    cell = next((cell for cell in cells if cell.strategy == "full"), cells[0])
    kind = kind_of(cell.device)
    return {
        **{name: _text(value) for name, value in work(run, cell).items()},
        "schema": str(run.schema),
        "device": kind,
        "machine": hardware(run.machine).digest,
        "torch": minor(run.machine.torch),
        "switches": _switches(run.machine),
        "threads": str(cell.threads) if kind == "cpu" else "",
        "version": cell.fingerprint or UNKNOWN,
    }


def kind_of(device: str) -> str:
    """`cuda` of `cuda:1`: which of several equal ones it was has no bearing."""
    return device.partition(":")[0]


def minor(version: str) -> str:
    """`2.14` of `2.14.1+cu128`."""
    found = re.match(r"\d+\.\d+", version)
    return found[0] if found else version


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " ".join(value) or "the workload's own"
    return "none" if value is None else str(value)


def _switches(machine: Machine) -> str:
    """Those of torch that change speed or results, in one text."""
    if machine.settings is None:
        return UNKNOWN
    named = msgspec.structs.asdict(machine.settings)
    return ", ".join(f"{name} {_text(value)}" for name, value in named.items())
