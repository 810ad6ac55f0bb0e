"""Ctrl-C, or the SIGTERM of a cancelled job: asks a run to stop, and is never lost.

An exception that a signal handler raises is lost where it happens to land in a destructor. So it is
also remembered, and whoever asks a worker next finds it.
"""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_requested = Event()
_held_back = Event()


def listen() -> None:
    """From now on both signals raise KeyboardInterrupt, and are remembered."""
    _requested.clear()
    sys.unraisablehook = _pass_over_interruptions
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _remember)


def check() -> None:
    """Raise KeyboardInterrupt if one was asked for since `listen`."""
    if _requested.is_set():
        raise KeyboardInterrupt


@contextmanager
def held_back() -> Iterator[None]:
    """What asks for a stop within the block is remembered and does not interrupt it.

    Python interrupts the main thread alone, so in any other this does nothing.
    """
    if current_thread() is not main_thread():
        yield
        return
    _held_back.set()
    try:
        yield
    finally:
        _held_back.clear()


def _pass_over_interruptions(unraisable: sys.UnraisableHookArgs) -> None:
    if unraisable.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(unraisable)


def _remember(_number: int, _frame: FrameType | None) -> None:
    _requested.set()
    if not _held_back.is_set():
        raise KeyboardInterrupt
