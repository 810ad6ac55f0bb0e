"""A comparison for machines."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from bench.collection.compared import Compared, Comparison


def json_(comparison: Comparison) -> bytes:
    """The comparison as `bench/collection/compared.py` has it; figures are a list with `column`."""
    said = {
        "axis": comparison.axis,
        "columns": comparison.columns,
        "workloads": [_workload(compared) for compared in comparison.workloads],
        "notes": comparison.notes,
    }
    return msgspec.json.format(msgspec.json.encode(said), indent=1) + b"\n"


def _workload(compared: Compared) -> dict[str, object]:
    figures = [
        {"column": place, **msgspec.to_builtins(each)}
        for (_, place), each in compared.figures.items()
    ]
    plain = {name: value for name, value in vars(compared).items() if name != "figures"}
    plain["agreements"] = [asdict(agreement) for agreement in compared.agreements]
    plain["apart"] = [asdict(each) for each in compared.apart]
    return {**plain, "figures": figures}
