"""Runs as one file that travels: a zip of their records, with a manifest."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from bench import __version__, store
from bench.collection.integrity import objections, place
from bench.collection.manifest import FORMAT, MANIFEST_FILE, Manifest, entry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_PLAIN_FILE = 0o100644 << 16


class PackError(Exception):
    """Runs cannot be packed; the message says which, and why."""


@dataclass(frozen=True)
class Packed:
    """The bytes of a pack, the places of its runs, and what whoever sends it should know."""

    content: bytes
    places: list[str]
    notes: list[str]


def pack(files: Sequence[Path]) -> Packed:
    """A zip with each `run.json` as it is, below `<machine>/<run>/`, and a manifest.

    The reports are left out: whoever receives the runs makes them again. The same runs give the
    same bytes, in whatever order they are named (with the same zlib).

    Raises:
        PackError: a run is not fit to travel, or two differ under one id.
        StoreError: a run cannot be read.
    """
    contents: dict[str, bytes] = {}
    notes: list[str] = []
    for file in files:
        where, content, remarks = _fit_to_travel(file)
        if where in contents:
            if contents[where] != content:
                raise PackError(
                    f"{where} was named twice with other content, the second time as {file}; "
                    "leave out the one that was changed"
                )
            notes.append(f"{file}: packed once, though it was named twice")
            continue
        contents[where] = content
        notes += [f"{file}: {remark}" for remark in remarks]
    return Packed(_zipped(contents), sorted(contents), notes)


def _fit_to_travel(file: Path) -> tuple[str, bytes, list[str]]:
    """The place of a run, its bytes, and what is worth a note."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise store.StoreError(f"cannot read {file}: {error.strerror or error}") from error
    run = store.parse(content, str(file))
    found = objections(run)
    if found.refusals:
        raise PackError(f"{file} cannot be packed: {told(found.refusals)}")
    return place(run), content, found.notes


def told(sentences: Sequence[str]) -> str:
    """The first three of several sentences as one."""
    rest = len(sentences) - 3
    return "; ".join(sentences[:3]) + (f"; and {rest} more" if rest > 0 else "")


def _zipped(contents: dict[str, bytes]) -> bytes:
    files = {f"{where}/{store.RUN_FILE}": contents[where] for where in sorted(contents)}
    manifest = Manifest(FORMAT, __version__, [entry(path, files[path]) for path in files])
    listed = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, content in {MANIFEST_FILE: listed, **files}.items():
            info = zipfile.ZipInfo(path, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix: else attributes would depend on where it was packed
            info.external_attr = _PLAIN_FILE
            archive.writestr(info, content, compresslevel=9)
    return stream.getvalue()
