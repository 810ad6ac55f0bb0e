"""One stored run as the index keeps it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from bench import store
from bench.collection.compared import Figures
from bench.collection.figures import figures
from bench.collection.hardware import Hardware, hardware
from bench.collection.settings import Settings, settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.records import Cell, Run

_VERSIONS = ("torch", "torchvision", "python", "blas", "cuda", "cudnn", "driver", "os")


class Head(msgspec.Struct, frozen=True):
    """A run without its cells.

    `digest` stands for all that the run says, so that two files of one run can be told to be the
    same. `commit` and `dirty` are of the code that measured. `beside` is what bears on figures, and
    is neither a setting nor hardware: versions, and `--steps`; what a run doesn't tell is left out.
    """

    id: str
    started: str
    state: str
    digest: str
    synthetic: bool
    commit: str | None
    dirty: bool | None
    hardware: Hardware
    beside: dict[str, str]


class Reading(NamedTuple):
    """A run, with the settings and the packed figures of each of its workloads."""

    head: Head
    works: dict[str, tuple[Settings, bytes]]


def read(file: Path, load: Callable[[Path], tuple[store.RunFolder, Run]] = store.load) -> Reading:
    """What the index keeps of the run in `file`.

    Raises:
        StoreError: it cannot be read, or is no valid run.
    """
    _, run = load(file)
    try:
        return _kept(run)
    except OverflowError as error:  # JSON has integers of any size, and what reads it takes them
        raise store.StoreError(
            f"{file} is not a valid run: it holds a count of more than 64 bits"
        ) from error


def _kept(run: Run) -> Reading:
    groups: dict[str, list[Cell]] = {}
    for cell in run.cells:
        groups.setdefault(cell.workload, []).append(cell)
    head = Head(
        id=run.id,
        started=run.started,
        state=run.state,
        digest=hashlib.sha256(msgspec.json.encode(run)).hexdigest()[:16],
        synthetic=run.synthetic,
        commit=run.project.commit,
        dirty=run.project.dirty,
        hardware=hardware(run.machine),
        beside=_beside(run),
    )
    return Reading(
        head,
        {
            name: (settings(run, cells), msgspec.msgpack.encode(figures(cells)))
            for name, cells in groups.items()
        },
    )


def _beside(run: Run) -> dict[str, str]:
    told = {name: getattr(run.machine, name) for name in _VERSIONS} | {"--steps": run.request.steps}
    return {name: str(value) for name, value in told.items() if value is not None}


def unpacked(packed: bytes) -> list[Figures]:
    """The figures of a workload.

    Raises:
        msgspec.MsgspecError: these bytes are of something else.
    """
    return msgspec.msgpack.decode(packed, type=list[Figures])
