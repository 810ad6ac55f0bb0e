"""The list of the runs in a results folder: light, whatever their number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from bench import store
from bench.page.environment import fill
from bench.page.security import policy

if TYPE_CHECKING:
    from pathlib import Path

PAGE = 200
"""Runs on one page of the list."""


@dataclass(frozen=True)
class Listed:
    """A run by the names of its folders: its file isn't opened."""

    machine: str
    run: str

    @property
    def address(self) -> str:
        """Its path on the server, below `/run/` and `/files/`."""
        return f"{quote(self.machine, safe='')}/{quote(self.run, safe='')}"


def runs_below(results: Path) -> list[Listed]:
    """All runs, newest first: a run's folder begins with its time."""
    found = [
        Listed(machine.name, run.name)
        for machine in _folders(results)
        for run in _folders(machine)
        if (run / store.RUN_FILE).is_file()
    ]
    return sorted(found, key=lambda one: (one.run, one.machine), reverse=True)


def listing(results: Path, page: int) -> bytes:
    """One page of the list, counted from 1; the nearest one where there is no such page.

    Raises:
        PageError: a package that a page takes is missing.
    """
    runs = runs_below(results)
    pages = max(1, -(-len(runs) // PAGE))
    page = min(max(page, 1), pages)
    return fill(
        "listing.html",
        title=f"freezebench: {len(runs)} run{'' if len(runs) == 1 else 's'}",
        policy=policy([]),
        runs=runs[(page - 1) * PAGE : page * PAGE],
        count=len(runs),
        page=page,
        pages=pages,
    )


def _folders(path: Path) -> list[Path]:
    """Folders that a request can reach: no hidden ones, no links."""
    try:
        return [
            entry
            for entry in path.iterdir()
            if not entry.name.startswith(".") and not entry.is_symlink() and entry.is_dir()
        ]
    except OSError:  # not there, not readable, or gone since it was listed
        return []
