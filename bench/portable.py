"""Exported files are published: what an exception said of a folder stays behind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from bench.records import Run

_STEP = r"[\\/][^\s\\/:\"'`<>|()\[\],;]+"
_PATH = re.compile(
    rf"(?<![\w/.:~])(?:"
    rf"(?:[A-Za-z]:(?=[\\/]))?(?:{_STEP}){{2,}}"  # from the root, or that of a drive
    rf"|~(?:[A-Za-z_][\w-]*)?(?:{_STEP})+"  # from somebody's home
    rf"|file:(?://[^\s\\/]*)?(?:/[A-Za-z]:)?(?:{_STEP})+"
    rf")|(?<![\w.:~])\.\.(?:{_STEP})+"  # from a folder above
)


def without_folders(text: str) -> str:
    """`text` with paths shortened to their last names: `/home/me/data.bin` to `data.bin`.

    Those from the root, from a home, from a folder above and `file:`; not those below the folder
    that one is in. Reasons (`why`) may hold the message of any exception, and so a path of the
    machine. A path with spaces in it is shortened up to the first of them only.
    """
    return _PATH.sub(lambda path: re.split(r"[\\/]", path[0])[-1], text)


def run_without_folders(run: Run) -> Run:
    """`run` with its reasons and notes as `without_folders` leaves them."""
    replace = msgspec.structs.replace
    cells = []
    for cell in run.cells:
        memory, counters, midway = cell.memory, cell.counters, cell.midway
        if midway is not None:
            midway = replace(midway, why=without_folders(midway.why))
        cells.append(
            replace(
                cell,
                why=without_folders(cell.why),
                midway=midway,
                memory=replace(memory, notes=[without_folders(note) for note in memory.notes]),
                counters=replace(
                    counters, notes=[without_folders(note) for note in counters.notes]
                ),
            )
        )
    return replace(run, cells=cells)
