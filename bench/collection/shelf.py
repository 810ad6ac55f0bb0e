"""The runs of a results folder that its README tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import store
from bench.collection.side_by_side import Kept

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def shelved(files: Iterable[Path], results: Path) -> tuple[list[Kept], list[str]]:
    """Finished runs, and a sentence for each that was left out."""
    kept: list[Kept] = []
    left_out: list[str] = []
    for file in files:
        try:
            run = store.load(file)[1]
        except store.StoreError as error:
            left_out.append(str(error))
            continue
        if run.state != "done":
            left_out.append(f"{file} is {run.state}, not done")
        elif run.synthetic:
            left_out.append(f"{file} was made up for a test")
        else:
            kept.append(Kept(file.parent.relative_to(results).as_posix(), run))
    return kept, left_out
