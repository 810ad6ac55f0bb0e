"""What a pack says of itself: its files, with what they must come to."""

from __future__ import annotations

import hashlib

from bench.records import Record

MANIFEST_FILE = "manifest.json"
FORMAT = 1
"""Of packs; a change that older versions would misread gives it the next number."""


class PackedFile(Record, frozen=True, omit_defaults=False):
    """One file: its path with `/`, its SHA-256 in hexadecimal, and its size."""

    path: str
    sha256: str
    bytes: int


class Manifest(Record, frozen=True, omit_defaults=False):
    """Format version, the version of freezebench that packed, and every other file."""

    format: int
    freezebench: str
    files: list[PackedFile]


def entry(path: str, content: bytes) -> PackedFile:
    """The line of the manifest about a file."""
    return PackedFile(path, digest(content), len(content))


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
