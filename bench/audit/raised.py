"""What an exception says, and which line of the user's own code it came from."""

from __future__ import annotations

import sysconfig
import traceback
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from bench.names import printable

if TYPE_CHECKING:
    from types import FrameType


class NotRunAgainError(Exception):
    """A step that ran once raised when it was run again; the message says what."""


_INSTALLED = tuple(str(Path(sysconfig.get_path(key)).resolve()) for key in ("purelib", "platlib"))
_STANDARD = str(Path(traceback.__file__).resolve().parent)
_TORCH = str(Path(torch.__file__).resolve().parent)
_OWN = tuple(str(Path(__file__).resolve().parents[1] / room) for room in ("audit/", "measure/"))
_OWN_ROOMS = tuple(f"{room}/" for room in _OWN)


@lru_cache(maxsize=4096)
def is_users(file: str) -> bool:
    """Whether a file is neither torch's, nor the standard library's, nor the auditor's."""
    if file.startswith("<"):
        return False
    place = str(Path(file).resolve())
    if place.startswith((f"{_TORCH}/", *_OWN_ROOMS)):
        return False
    return place.startswith(_INSTALLED) or not place.startswith(_STANDARD)


@lru_cache(maxsize=4096)
def is_installed(file: str) -> bool:
    """Whether a file belongs to an installed package."""
    return str(Path(file).resolve()).startswith(_INSTALLED)


@lru_cache(maxsize=4096)
def is_torchs(file: str) -> bool:
    """Whether a file belongs to torch."""
    return str(Path(file).resolve()).startswith(f"{_TORCH}/")


def line_of(frame: FrameType | None) -> str | None:
    """`train.py:42`: the innermost line of the user's on the stack that ends in `frame`."""
    while frame is not None:
        if is_users(frame.f_code.co_filename):
            return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        frame = frame.f_back
    return None


def told(error: BaseException) -> str:
    """Type, first line and place of an error, without folders: `ValueError: no (train.py:3)`."""
    lines = str(error).strip().splitlines()
    said = f"{type(error).__name__}: {printable(lines[0])}" if lines else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if is_users(frame.filename)]
    if not own:
        return said
    return f"{said} ({Path(own[-1].filename).name}:{own[-1].lineno})"
