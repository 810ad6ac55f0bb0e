"""Runs from packs join a results folder: all are checked, then each is written whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import store
from bench.collection import archive
from bench.collection.integrity import objections, place
from bench.collection.pack import told
from bench.names import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bench.records import Run

    Reports = Callable[[Run], Iterable[tuple[str, bytes]]]


class MergeError(Exception):
    """A run cannot join the results; the message says which, and why."""


@dataclass(frozen=True)
class Merged:
    """Places of the runs that were added and of those that were there, and what is worth a look."""

    added: list[str]
    present: list[str]
    notes: list[str]


def merge(packs: Sequence[Path], into: Path, reports: Reports) -> Merged:
    """Add the runs of `packs` to the results folder `into`, with their reports made anew.

    `reports` makes them: a name and bytes each.

    Nothing is written before every pack and every run has passed, and nothing ever outside `into`.

    Raises:
        ArchiveError: a pack cannot be accepted.
        MergeError: a run in it cannot, or its id is taken by another.
        StoreError: a run cannot be read, or `into` cannot be written.
    """
    contents: dict[str, bytes] = {}
    notes: list[str] = []
    for pack in packs:
        room = archive.LARGEST_PACK - sum(map(len, contents.values()))
        for path, content in archive.read(pack, room).items():
            where = path.removesuffix(f"/{store.RUN_FILE}")
            if contents.setdefault(where, content) != content:
                raise MergeError(f"{where} is in two packs with other content; ask which is right")
    for where, content in contents.items():
        notes += [f"{where}: {note}" for note in _accepted(where, content)]
    new = {
        where: content for where, content in contents.items() if not _is_there(into, where, content)
    }
    if new:
        _write(new, into, reports)
    return Merged(sorted(new), sorted(contents.keys() - new.keys()), notes)


def _accepted(where: str, content: bytes) -> list[str]:
    """What is worth a note of a run that passed."""
    try:
        run = store.parse(content, where)
    except store.StoreError as error:
        raise MergeError(printable(str(error))[:500]) from error
    found = objections(run)
    if found.refusals:
        raise MergeError(f"{where} is refused: {told(found.refusals)}")
    if place(run) != where:
        raise MergeError(
            f"{where} is refused: by what it says of itself, it belongs at {place(run)}"
        )
    return found.notes


def _is_there(into: Path, where: str, content: bytes) -> bool:
    """Whether the run is there already; links are never followed.

    Raises:
        MergeError: something else has its place or its id.
    """
    machine, run_id = where.split("/")
    for folder in (into / machine, into / where, into / where / store.RUN_FILE):
        if folder.is_symlink():
            raise MergeError(f"{folder} is a link, and runs are written into real folders alone")
    others = [other for other in into.glob(f"*/{run_id}") if other.parent.name != machine]
    if others:
        raise MergeError(f"the id of {where} is taken by {others[0]}, a run of another machine")
    target = into / where
    if not target.exists():
        return False
    try:
        before = (target / store.RUN_FILE).read_bytes()
    except OSError as error:
        raise MergeError(f"{target} is there, and holds no run that can be read") from error
    if before != content:
        raise MergeError(
            f"{target} is there with other content; one of the two was changed, so ask which is "
            "right, and remove the other"
        )
    return True


def _write(contents: dict[str, bytes], into: Path, reports: Reports) -> None:
    staging: Path | None = None
    try:
        into.mkdir(parents=True, exist_ok=True)
        # Beside their places, so that a rename, which is whole or not at all, moves each there.
        staging = Path(tempfile.mkdtemp(dir=into, prefix=".merging-"))
        for where, content in contents.items():
            _stage(staging / where, content, reports)
        for where in contents:
            _move(staging / where, into, where)
    except OSError as error:
        raise store.StoreError(f"cannot write to {into}: {_reason(error)}") from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


def _stage(path: Path, content: bytes, reports: Reports) -> None:
    """The whole folder of a run, reports and all, where nobody looks for it yet."""
    path.mkdir(parents=True)
    folder = store.RunFolder(path)
    folder.write(store.RUN_FILE, content)
    try:
        made = list(reports(store.parse(content, str(path))))
    except Exception as error:  # figures from elsewhere may be beyond what a plot can show
        raise MergeError(
            f"{path.parent.name}/{path.name} is refused: its report cannot be made "
            f"({type(error).__name__}: {printable(str(error))[:200]})"
        ) from error
    folder.write_all(made)


def _move(staged: Path, into: Path, where: str) -> None:
    """Rename a staged folder to its place below a machine's real folder."""
    machine, run_id = where.split("/")
    (into / machine).mkdir(exist_ok=True)
    # The folder is held open, so that nobody can put a link in its place meanwhile.
    held = os.open(into / machine, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.rename(staged, run_id, dst_dir_fd=held)
        with suppress(OSError):  # some file systems cannot
            os.fsync(held)
    finally:
        os.close(held)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
