"""An index of a results folder: SQLite beside the runs, made again whenever it can't be trusted.

The runs are the truth. A row is of a file as it was, by its time of change and its size; a run that
changes is read again, and one that vanishes leaves the index. Every writing is a short transaction
with a journal of its own (WAL), so that other processes go on reading, and two that write at the
same time do some work twice and no harm.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from bench.collection.listing import Stamp
from bench.collection.reading import Head, Reading, read, unpacked
from bench.collection.settings import Settings
from bench.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.collection.compared import Figures
    from bench.collection.listing import Listing

    Told = Callable[[int, int], None]

VERSION = 2
"""Of the index; one of another version is made again."""

_TABLES = """
CREATE TABLE run (
    key INTEGER PRIMARY KEY, place TEXT UNIQUE, mtime_ns INTEGER, size INTEGER, head BLOB
);
CREATE TABLE settings (key INTEGER PRIMARY KEY, named TEXT UNIQUE);
CREATE TABLE work (
    run INTEGER, place INTEGER, workload TEXT, settings INTEGER, PRIMARY KEY (run, place)
) WITHOUT ROWID;
CREATE TABLE figures (run INTEGER, workload TEXT, cells BLOB, UNIQUE (run, workload));
"""
# `work` is small and read as a whole, `figures` is large and read by need: so they are apart.

_TOGETHER = 200  # runs that are written in one transaction
_PATIENCE = 20.0  # seconds for which another writer is waited for


class DamagedError(Exception):
    """The index holds what it never wrote."""


@dataclass(frozen=True)
class Entry:
    """A run in an index: where its file is, what it is, and the settings of each workload.

    `place` is its file's below the index's folder, and `stamp` how that looked when it was read.
    """

    file: Path
    head: Head
    works: dict[str, Settings]
    index: Index = field(repr=False)
    place: str
    stamp: Stamp

    def figures(self, workload: str) -> list[Figures]:
        """The figures of one of its workloads; see `Index.figures`."""
        return self.index.figures(self, workload)


class Index:
    """Runs of one folder, as they were when it was last brought up to date.

    Attributes:
        unreadable: why, by the place of a run that was kept out; each update tries it again.
    """

    def __init__(self, database: Path | None, root: Path) -> None:
        """Open the index of the runs below `root` in `database`; in a temporary place if `None`.

        Raises:
            sqlite3.Error: it cannot be opened, or is no index.
        """
        self.root = root
        self.unreadable: dict[str, str] = {}
        self._connection = sqlite3.connect(
            "" if database is None else database, timeout=_PATIENCE, isolation_level=None
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = OFF")  # it can be made again
        if self._version() != VERSION:
            with self._writing():
                if self._version() != VERSION:  # another process may have been first
                    self._make()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def update(
        self, listing: Listing, told: Told | None = None, reading: Callable[[Path], Reading] = read
    ) -> None:
        """Read what is new or changed in `listing`, and forget what is no longer there.

        Args:
            listing: the files that there are, as they looked before this.
            told: is told how many of the runs to read are done, and how many there are.
            reading: how one is read.
        """
        known = {
            place: (mtime_ns, size)
            for place, mtime_ns, size in self._connection.execute(
                "SELECT place, mtime_ns, size FROM run"
            )
        }
        if gone := known.keys() - listing.keys():
            with self._writing():
                for place in gone:
                    self._forget(place)
        changed = [place for place, stamp in listing.items() if known.get(place) != stamp]
        for first in range(0, len(changed), _TOGETHER):
            found: dict[str, Reading] = {}
            for done, place in enumerate(changed[first : first + _TOGETHER], first):
                self._read(place, found, reading)
                if told is not None:
                    told(done + 1, len(changed))
            with self._writing():
                for place in changed[first : first + _TOGETHER]:
                    self._forget(place)
                for place, one in found.items():
                    self._insert(place, listing, one)

    def entries(self) -> list[Entry]:
        """Every run, by the place of its file; all as they were at one moment.

        Raises:
            DamagedError: a row cannot be decoded.
        """
        decode = msgspec.msgpack.Decoder(Head).decode
        named = msgspec.json.Decoder(Settings).decode
        settings, work, runs = self._at_one_moment(
            "SELECT key, named FROM settings",
            "SELECT run, workload, settings FROM work ORDER BY run, place",
            "SELECT key, place, mtime_ns, size, head FROM run ORDER BY place",
        )
        try:
            known = {key: named(text) for key, text in settings}
            works: dict[int, dict[str, Settings]] = {}
            for key, workload, setting in work:
                works.setdefault(key, {})[workload] = known[setting]
            return [
                Entry(
                    self.root / place,
                    decode(head),
                    works.get(key, {}),
                    self,
                    place,
                    Stamp(mtime_ns, size),
                )
                for key, place, mtime_ns, size, head in runs
            ]
        except (msgspec.MsgspecError, KeyError, TypeError) as error:
            raise DamagedError(str(error)) from error

    def figures(self, entry: Entry, workload: str) -> list[Figures]:
        """The figures of a workload in a run; from the run itself where the index lacks them.

        A row is found by its file as that was, never by its key: keys are given again to others.

        Raises:
            StoreError: the run is gone, or says something else by now.
        """
        try:
            row = self._connection.execute(
                "SELECT cells FROM run JOIN figures ON figures.run = run.key"
                " WHERE place = ? AND mtime_ns = ? AND size = ? AND workload = ?",
                (entry.place, *entry.stamp, workload),
            ).fetchone()
            if row is not None:
                return unpacked(row[0])
        except (sqlite3.DatabaseError, msgspec.MsgspecError, TypeError):
            pass
        now = read(entry.file)
        if now.head.digest != entry.head.digest:
            raise StoreError(f"{entry.file} was changed while it was read; ask again")
        return unpacked(now.works[workload][1])

    def _at_one_moment(self, *selects: str) -> list[list[tuple[Any, ...]]]:
        """The rows of each statement, as if no other process wrote in between."""
        self._connection.execute("BEGIN")
        try:
            return [self._connection.execute(select).fetchall() for select in selects]
        finally:
            self._connection.execute("COMMIT")

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    def _make(self) -> None:
        for (table,) in self._connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall():
            self._connection.execute(f'DROP TABLE "{table}"')
        for statement in _TABLES.split(";"):
            self._connection.execute(statement)
        self._connection.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _read(
        self, place: str, found: dict[str, Reading], reading: Callable[[Path], Reading]
    ) -> None:
        file = self.root / place
        try:
            found[place] = reading(file)
        except StoreError as error:
            if file.exists():  # else it has vanished meanwhile, and is none of the folder's runs
                self.unreadable[place] = str(error)

    def _forget(self, place: str) -> None:
        for (key,) in self._connection.execute("SELECT key FROM run WHERE place = ?", (place,)):
            for table, column in (("run", "key"), ("work", "run"), ("figures", "run")):
                self._connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (key,))

    def _insert(self, place: str, listing: Listing, one: Reading) -> None:
        run = self._connection.execute(
            "INSERT INTO run (place, mtime_ns, size, head) VALUES (?, ?, ?, ?)",
            (place, *listing[place], msgspec.msgpack.encode(one.head)),
        ).lastrowid
        works, figures = [], []
        for place_in_run, (workload, (settings, packed)) in enumerate(one.works.items()):
            named = msgspec.json.encode(settings, order="sorted").decode()
            self._connection.execute("INSERT OR IGNORE INTO settings (named) VALUES (?)", (named,))
            (key,) = self._connection.execute(
                "SELECT key FROM settings WHERE named = ?", (named,)
            ).fetchone()
            works.append((run, place_in_run, workload, key))
            figures.append((run, workload, packed))
        self._connection.executemany("INSERT INTO work VALUES (?, ?, ?, ?)", works)
        self._connection.executemany("INSERT INTO figures VALUES (?, ?, ?)", figures)
