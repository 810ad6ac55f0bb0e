"""A pack from elsewhere, read without believing what it says of itself.

A zip may name paths outside of any folder, hold links, unpack to more than the disk has, and lie
about each size (see e.g. the documentation of Python's `zipfile`, "Decompression pitfalls"). So
nothing is extracted: an entry counts if its name has the one form that a run's place has, it is a
plain file, the manifest lists it, and what comes out of it, counted as it comes, is what the
manifest promised.
"""

from __future__ import annotations

import io
import os
import re
import stat
import zipfile
from typing import TYPE_CHECKING

import msgspec

from bench.collection.manifest import FORMAT, MANIFEST_FILE, Manifest, digest
from bench.collection.words import shown
from bench.names import printable

if TYPE_CHECKING:
    from pathlib import Path

MIB = 2**20
LARGEST_RUN = 64 * MIB
LARGEST_PACK = 1024 * MIB
MOST_ENTRIES = 10_000

_PLACE = re.compile(r"[a-z0-9-]{1,60}/\d{8}-\d{6}-[0-9a-f]{4}/run\.json", re.ASCII)
_CHUNK = MIB
_LARGEST_LIST = 400 * MOST_ENTRIES  # bytes; an entry has 46, and a name of at most 100
_ENCRYPTED = 0x1 | 0x40  # flags: by password, or strongly


class ArchiveError(Exception):
    """A pack cannot be accepted; the message says which, and why."""


def read(file: Path, room: int = LARGEST_PACK) -> dict[str, bytes]:
    """The bytes of each `run.json` in a pack, by its path; all of it is as the manifest says.

    Args:
        file: the pack.
        room: bytes that may come out of it, all together.

    Raises:
        ArchiveError: it is not there, no whole pack of a known format, or holds what no pack has.
    """
    try:
        with _Sips(file.open("rb", buffering=0)) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > LARGEST_PACK:
                raise ArchiveError(
                    f"{file} has {size / MIB:,.4g} MiB, and {LARGEST_PACK / MIB:,.4g} MiB is "
                    "the most that a pack may have; ask for its runs in several packs"
                )
            with zipfile.ZipFile(stream) as archive:
                return _read(archive, file, room)
    except ArchiveError:
        raise
    except OSError as error:
        raise ArchiveError(f"cannot read {file}: {error.strerror or error}") from error
    except Exception as error:  # a damaged zip makes `zipfile` raise nearly anything
        raise ArchiveError(
            f"{file} is no whole pack ({_said(error)}); ask for it again, as `freezebench pack` "
            "made it"
        ) from error


def _read(archive: zipfile.ZipFile, file: Path, room: int) -> dict[str, bytes]:
    entries = _trusted_entries(archive, file)
    manifest = _manifest(archive, entries, file)
    listed = {packed.path: packed for packed in manifest.files}
    if len(listed) != len(manifest.files):
        raise ArchiveError(f"{file}: its {MANIFEST_FILE} lists a file twice")
    for path in (*entries, *listed):
        if path not in listed and path != MANIFEST_FILE:
            raise ArchiveError(f"{file}: {shown(path)} is not in its {MANIFEST_FILE}")
        if path not in entries:
            raise ArchiveError(f"{file}: {shown(path)} is in its {MANIFEST_FILE} and not there")
    if not listed:
        raise ArchiveError(f"{file} holds no run")
    contents = {}
    for path, promised in listed.items():
        content = _unpacked(archive, entries[path], file, min(LARGEST_RUN, room))
        room -= len(content)
        if (promised.bytes, promised.sha256) != (len(content), digest(content)):
            raise ArchiveError(
                f"{file}: {path} is not what its {MANIFEST_FILE} says; it was damaged or changed "
                "after it was packed"
            )
        contents[path] = content
    return contents


def _trusted_entries(archive: zipfile.ZipFile, file: Path) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    if len(infos) > MOST_ENTRIES:
        raise ArchiveError(f"{file} has {len(infos):,} entries, and {MOST_ENTRIES:,} is the most")
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.orig_filename  # `filename` is what `zipfile` made of it
        if name != info.filename or not (name == MANIFEST_FILE or _PLACE.fullmatch(name)):
            raise ArchiveError(
                f"{file}: {shown(name)} is no place of a run; a pack holds {MANIFEST_FILE} and "
                "<machine>/<run>/run.json alone"
            )
        if name in entries:
            raise ArchiveError(f"{file}: {shown(name)} is there twice")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise ArchiveError(f"{file}: {name} is a link or a device, not a plain file")
        if info.flag_bits & _ENCRYPTED:
            raise ArchiveError(f"{file}: {name} is encrypted; packs are not")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArchiveError(f"{file}: {name} is compressed in a way that packs are not")
        entries[name] = info
    return entries


def _manifest(
    archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], file: Path
) -> Manifest:
    if MANIFEST_FILE not in entries:
        raise ArchiveError(f"{file} is a zip without {MANIFEST_FILE}, so no pack of freezebench")
    content = _unpacked(archive, entries[MANIFEST_FILE], file, LARGEST_RUN)
    try:
        version = msgspec.json.decode(content, type=_Formatted).format
        if version != FORMAT:
            raise ArchiveError(
                f"{file} is a pack of format {version}, and this freezebench reads {FORMAT}; merge "
                "it with the version that packed it, or a later one"
            )
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ArchiveError(f"{file}: its {MANIFEST_FILE} cannot be read: {_said(error)}") from error


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: Path, most: int) -> bytes:
    """What comes out of an entry, at most `most` bytes, whatever its header says."""
    too_large = ArchiveError(
        f"{file}: {info.filename} unpacks to more than {most // MIB:,} MiB, and no more is accepted"
        if most == LARGEST_RUN
        else f"{file}: with {info.filename}, what was named unpacks to more than "
        f"{LARGEST_PACK / MIB:,.4g} MiB, and no more is accepted at once; merge fewer "
        "packs at a time"
    )
    if info.file_size > most:
        raise too_large
    content = bytearray()
    with archive.open(info) as stream:
        while chunk := stream.read(_CHUNK):
            content += chunk
            if len(content) > most:
                raise too_large
    return bytes(content)


class _Sips(io.BufferedReader):
    """A file of which nobody reads much at once: `zipfile` takes in its list of entries whole."""

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` bytes.

        Raises:
            ArchiveError: that is more than the list of a pack's entries has.
        """
        if size is not None and size > _LARGEST_LIST:
            raise ArchiveError(
                f"{self.name} lists more than {MOST_ENTRIES:,} entries, and that is the most"
            )
        return super().read(size)


class _Formatted(msgspec.Struct):
    format: int


def _said(error: Exception) -> str:
    return printable(str(error))[:200] or type(error).__name__
