"""From the path of a request to a file of a results folder, and to nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from pathlib import Path

LEVELS = 3
"""Machine, run and file: what a results folder is deep."""


def parts(path: str) -> list[str] | None:
    """The parts of a request's path, decoded once; `None` where one could lead elsewhere."""
    if not path.startswith("/"):
        return None
    try:
        decoded = [unquote(part, errors="strict") for part in path[1:].split("/")]
    except UnicodeDecodeError:
        return None
    if any(part in ("", ".", "..") or set(part) & {"/", "\\", "\0"} for part in decoded):
        return None
    return decoded


def below(results: Path, names: list[str]) -> Path | None:
    """The existing path that `names` lead to; `None` if it is hidden, or elsewhere by a link."""
    if not 0 < len(names) <= LEVELS or any(name.startswith(".") for name in names):
        return None
    root = results.resolve()
    path = root.joinpath(*names)
    try:
        # A link is refused wherever it leads: what it leads to may be changed between two looks.
        if path.resolve(strict=True) != path:
            return None
    except (OSError, ValueError, RuntimeError):
        return None
    return path
