"""Which files of runs there are, and how each looks from outside."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from bench.store import RUN_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Stamp(NamedTuple):
    """What changes when a file does: nanoseconds of its last change, and bytes."""

    mtime_ns: int
    size: int


Listing = dict[str, Stamp]
"""Stamps by the place of a `run.json`, relative to the folder that was listed."""


def listed(folder: Path) -> Listing:
    """Every `<run>/run.json` and `<machine>/<run>/run.json` below a folder.

    What vanishes meanwhile is left out: another process may be writing there. Hidden folders hold
    what is being written, and no runs.
    """
    found: Listing = {}
    for outer in _folders(str(folder)):
        if (stamp := stamp_of(f"{folder}/{outer}/{RUN_FILE}")) is not None:
            found[f"{outer}/{RUN_FILE}"] = stamp
            continue
        for inner in _folders(f"{folder}/{outer}"):
            if (stamp := stamp_of(f"{folder}/{outer}/{inner}/{RUN_FILE}")) is not None:
                found[f"{outer}/{inner}/{RUN_FILE}"] = stamp
    return found


def stamp_of(file: str) -> Stamp | None:
    """How a file looks now; `None` where there is none."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return Stamp(status.st_mtime_ns, status.st_size)


def _folders(folder: str) -> Iterable[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")
            )
    except OSError:
        return []
