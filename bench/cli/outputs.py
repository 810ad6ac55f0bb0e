"""The files that a command is asked to write: found writable before it begins, written whole."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from bench import store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class OutputError(Exception):
    """A file cannot be written; the message says which, and why."""


def refuse_unwritable(files: Mapping[str, Path | None]) -> None:
    """Before anything is measured: what cannot be written is told at once.

    Args:
        files: by the option that asks for them; those that nobody asked for are absent.

    Raises:
        OutputError: there is no such folder, it is not writable, or two options share a file.
    """
    taken: dict[Path, str] = {}
    for option, file in files.items():
        if file is None:
            continue
        if (other := taken.setdefault(file.resolve(), option)) != option:
            raise OutputError(f"{other} and {option} both name {file}; give each a file of its own")
        _refuse_unwritable(option, file)


def _refuse_unwritable(option: str, file: Path) -> None:
    if file.name == store.RUN_FILE or (file.exists() and (file.parent / store.RUN_FILE).exists()):
        raise OutputError(
            f"{file} is of a measured run, and nothing may take its place ({option}); name a file "
            "elsewhere"
        )
    if not file.parent.is_dir():
        raise OutputError(
            f"there is no folder {file.parent} to write {file.name} into ({option}); make it first"
        )
    try:
        if file.is_file():
            file.open("ab").close()
        if _is_ordinary(file):
            tempfile.TemporaryFile(dir=file.parent).close()
    except OSError as error:
        raise OutputError(f"cannot write {file} ({option}): {_reason(error)}") from error


def write(file: Path, content: bytes) -> None:
    """Write a file whole or not at all; a device or a pipe as it comes.

    Raises:
        OutputError: the system refuses.
    """
    try:
        if _is_ordinary(file):
            store.RunFolder(file.parent).write(file.name, content)
        else:
            file.write_bytes(content)
    except store.StoreError as error:
        raise OutputError(str(error)) from error
    except OSError as error:
        raise OutputError(f"cannot write {file}: {_reason(error)}") from error


def append(file: Path, text: bytes) -> None:
    """Append lines to a file that others write to as well, such as the summary of a job.

    Raises:
        OutputError: the system refuses.
    """
    try:
        before = file.read_bytes() if file.is_file() else b""
        between = b"\n" if before.endswith(b"\n") else b"\n\n"  # Markdown wants a free line
        with file.open("ab") as stream:
            stream.write((between if before else b"") + text)
    except OSError as error:
        raise OutputError(f"cannot write {file}: {_reason(error)}") from error


def _is_ordinary(file: Path) -> bool:
    return file.is_file() or not file.exists()


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
