"""The runs that a command was given: folders by their index, single ones as they are."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.collection.index import DamagedError, Index
from bench.collection.listing import listed, stamp_of
from bench.store import RUN_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.collection.index import Entry, Told
    from bench.collection.listing import Listing

INDEX_FILE = ".index.sqlite"

_SHOWN = 5  # files that a note names
_OUT_OF_REACH = {
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
}  # fmt: skip


class Indexed(NamedTuple):
    """The runs of a folder, what kept others out, and what else should be known."""

    entries: list[Entry]
    unreadable: list[str]
    notes: list[str]


class CollectionError(Exception):
    """Runs cannot be gathered or compared; the message says which and why, and what to do."""


@dataclass(frozen=True)
class Gathered:
    """Every run once, and what a reader should know about what was left out."""

    entries: list[Entry]
    notes: list[str] = field(default_factory=list)


def gather(
    paths: Sequence[Path],
    told: Told | None = None,
    listing: Callable[[Path], Listing] = listed,
) -> Gathered:
    """The runs in `paths`: a run's folder, a `run.json`, or a folder of runs.

    Args:
        paths: what was named; the same run named twice counts once.
        told: is told how many of the runs to read are done, and how many there are.
        listing: how a folder is listed.

    Raises:
        CollectionError: there is nothing at a path, no run can be read, or two files say different
            things of one run.
    """
    entries: list[Entry] = []
    notes: list[str] = []
    unreadable: list[str] = []
    single: Listing = {}
    for path in paths:
        file = path / RUN_FILE if path.is_dir() else path
        if (stamp := stamp_of(str(file))) is not None:
            single[os.path.realpath(file)] = stamp
        elif path.is_dir():
            found = indexed(path.resolve(), told, listing)
            if not found.entries and not found.unreadable:
                raise CollectionError(
                    f"there is no run in {path}; name a folder that holds <machine>/<run>/"
                    f"{RUN_FILE}, or the folder of a run"
                )
            entries += found.entries
            notes += found.notes
            unreadable += found.unreadable
        else:
            raise CollectionError(
                f"there is no {path}; name the folder of a run, its {RUN_FILE}, or a folder of runs"
            )
    if single:
        index = Index(None, Path("/"))
        index.update(single, told)
        entries += index.entries()
        unreadable += index.unreadable.values()
    if not entries:
        raise CollectionError(f"no run could be read: {_listed(unreadable)}")
    if unreadable:
        notes.append(f"left out: {_listed(unreadable)}")
    kept, copies = _each_once(entries)
    return Gathered(kept, notes + copies)


def indexed(
    folder: Path, told: Told | None = None, listing: Callable[[Path], Listing] = listed
) -> Indexed:
    """A folder of runs by its index, brought up to date; a note says why it was not kept if so.

    A damaged one is made again, once a second look has found it damaged, too; where none can be
    written, one that leaves nothing takes its place.
    """
    there = listing(folder)
    file = folder / INDEX_FILE
    why = ""
    for looks in range(1, 4):
        try:
            index = Index(file, folder) if there else Index(None, folder)
            index.update(there, told)
            return Indexed(index.entries(), list(index.unreadable.values()), [])
        except DamagedError as error:
            why = str(error)
        except sqlite3.DatabaseError as error:
            why = str(error)
            if _code(error) in _OUT_OF_REACH:
                break
        if looks > 1:  # another process may have been at work during the first
            _remove(file)
    try:
        index = Index(None, folder)
        index.update(there, told)
    except sqlite3.Error as error:
        raise CollectionError(
            f"no index of {folder} can be made, not even for the moment ({error}); free some space "
            "in the folder for temporary files"
        ) from error
    note = (
        f"the index {file} cannot be kept ({why}), so all runs are read each time; make the folder "
        "writable, or copy it elsewhere"
    )
    return Indexed(index.entries(), list(index.unreadable.values()), [note])


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _remove(file: Path) -> None:
    for each in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
        try:
            each.unlink(missing_ok=True)
        except OSError:
            return  # then the next attempt fails as this one did, and says so


def _each_once(entries: list[Entry]) -> tuple[list[Entry], list[str]]:
    """Every run once, by its id; a copy is told, and one that differs is refused."""
    kept: dict[str, Entry] = {}
    copies: list[str] = []
    for entry in entries:
        other = kept.setdefault(entry.head.id, entry)
        if other is entry or other.file == entry.file:
            continue
        if other.head.digest != entry.head.digest:
            raise CollectionError(
                f"{other.file} and {entry.file} both say that they are run {entry.head.id}, and "
                "they differ; leave out the one that was changed"
            )
        copies.append(f"{entry.file} is a copy of {other.file}")
    return list(kept.values()), [f"counted once: {_listed(copies)}"] if copies else []


def _listed(sentences: Sequence[str]) -> str:
    rest = len(sentences) - _SHOWN
    return "; ".join(sentences[:_SHOWN]) + (f"; and {rest} more" if rest > 0 else "")
