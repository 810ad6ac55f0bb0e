"""Small files of the kernel, read whole; what can't be read is `None`, never 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def text(file: Path) -> str | None:
    """What the file holds; `None` where it is absent, or not for us to read."""
    try:
        return file.read_text()
    except (OSError, ValueError):
        return None


def whole(file: Path) -> int | None:
    """The whole number that is all the file holds."""
    try:
        return int(text(file) or "")
    except ValueError:
        return None
