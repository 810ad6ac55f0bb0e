"""What the runs of one page are called: by what tells them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.reading import threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.records import Run


def settings(run: Run) -> list[str]:
    """How a run was measured, one text each."""
    request = run.request
    batches = list(dict.fromkeys(cell.batch for cell in run.cells))
    told = [f"torch {run.machine.torch}", request.dtype, threads(run), request.optimizer]
    told += [f"batch {batches[0]}"] if len(batches) == 1 else []
    told += ["compiled"] if request.compile else []
    told += ["channels-last"] if request.channels_last else []
    return [text for text in told if text]


def names(runs: Sequence[Run]) -> list[str]:
    """A name for each run: of its machine and its settings those that not all runs share.

    A run alone has its machine's name; runs of one name are told apart by their ids.
    """
    if len(runs) == 1:
        return [runs[0].machine.name]
    each = [[run.machine.name, *settings(run)] for run in runs]
    shared = set.intersection(*map(set, each))
    found = [", ".join(text for text in mine if text not in shared) for mine in each]
    return [
        name if name and found.count(name) == 1 else f"{name or run.machine.name}, {run.id}"
        for run, name in zip(runs, found, strict=True)
    ]
