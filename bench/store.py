"""The only reader and writer of a results folder: `results/<machine>/<run>/`."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench.parallel import uneven
from bench.records import SCHEMA, Run

if TYPE_CHECKING:
    from collections.abc import Iterable

RUN_FILE = "run.json"
_PARTIAL = ".partial"  # how the name of a file ends that is not written to its end yet


class StoreError(Exception):
    """A results folder or a run cannot be read or written; the message says which and why."""


class RunFolder:
    """The folder of one run. Every file in it is written whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def lock(self) -> None:
        """Keep the folder until `unlock`, or this process ends; another that asks is refused.

        What a process that was killed had half written is removed.

        Raises:
            StoreError: another process is carrying out this run.
        """
        self._lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(
                f"another process is carrying out the run in {self.path}; wait for it to end"
            ) from error
        for half_written in self.path.glob(f".*{_PARTIAL}"):
            half_written.unlink(missing_ok=True)

    def unlock(self) -> None:
        """Let go of the folder; asking twice does no harm."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __del__(self) -> None:
        """Let go of the folder, whatever happened."""
        self.unlock()

    def save(self, run: Run) -> None:
        """Write `run.json`.

        Raises:
            StoreError: the disk refuses; what was saved before is still there.
        """
        self.write(RUN_FILE, msgspec.json.encode(run))

    def write_all(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Write reports, by name."""
        for name, content in files:
            self.write(name, content)

    def write(self, name: str, content: bytes) -> None:
        """Write one file: to a temporary name, flushed to the disk, then renamed."""
        temporary: str | None = None
        try:
            handle, temporary = tempfile.mkstemp(_PARTIAL, f".{name}.", self.path)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, self.path / name)
        except OSError as error:
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)
            raise StoreError(f"cannot write {self.path / name}: {_reason(error)}") from error


def create(results: Path, machine: str, now: datetime | None = None) -> tuple[RunFolder, str]:
    """A new folder for a run on `machine`, and the run's id; never one that is taken.

    Raises:
        StoreError: the results folder cannot be written.
    """
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S")
    while True:
        run_id = f"{stamp}-{secrets.token_hex(2)}"
        path = results / slug(machine) / run_id
        try:
            path.mkdir(parents=True)
        except FileExistsError as error:
            if path.is_dir():
                continue
            raise StoreError(f"cannot write to {results}: {_reason(error)}") from error
        except OSError as error:
            raise StoreError(
                f"cannot write to {results}: {_reason(error)}; choose another with --results"
            ) from error
        return RunFolder(path), run_id


def load(path: Path) -> tuple[RunFolder, Run]:
    """The run in a folder, or in a `run.json`.

    Raises:
        StoreError: it is not there, truncated, of another schema, or holds a wrong value; the
            message says where.
    """
    file = path / RUN_FILE if path.is_dir() else path
    try:
        content = file.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read {file}: {_reason(error)}") from error
    return RunFolder(file.parent), parse(content, str(file))


def parse(content: bytes, file: str) -> Run:
    """The run that the bytes of `file` say.

    Raises:
        StoreError: they are truncated, of another schema, hold a wrong value, or lists of different
            length that belong together.
    """
    try:
        version = msgspec.json.decode(content, type=_Versioned).schema
        if version > SCHEMA:
            raise StoreError(
                f"{file} has schema {version}, and this freezebench reads up to {SCHEMA}; "
                "read it with the version that wrote it, or a later one"
            )
        run = msgspec.json.decode(content, type=Run)
    except msgspec.ValidationError as error:
        raise StoreError(f"{file} is not a valid run: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        where = _around(content, str(error))
        raise StoreError(f"{file} is truncated or no JSON: {error}{where}") from error
    except RecursionError as error:
        raise StoreError(f"{file} is not a valid run: it is nested too deeply") from error
    for cell in run.cells:
        for uneven_list in uneven(cell):
            raise StoreError(
                f"{file} was changed by hand: of {cell.workload!r} × {cell.strategy!r}, "
                f"{uneven_list} as the lists beside it have; take an untouched copy"
            )
    return run


def _around(content: bytes, error: str) -> str:
    """The text at the byte that an error names: a run is one long line, and nobody counts there."""
    found = re.search(r"\(byte (\d+)\)", error)
    if found is None:
        return ""
    place = int(found[1])
    text = content[max(0, place - 40) : place + 20].decode("utf-8", "replace")
    return f", at {text!r}"


def slug(name: str) -> str:
    """A name as a folder is called: lower case, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "machine"


class _Versioned(msgspec.Struct):
    schema: int


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "no space is left on the disk; free some, then go on with --resume"
    return (error.strerror or str(error)).lower()
