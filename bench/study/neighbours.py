"""Noisy neighbours on purpose: `stress-ng`, so many of its workers."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


LONGEST = 7200
"""Seconds after which a neighbour leaves by itself, should nobody be there to end it."""


class NoNeighbourError(RuntimeError):
    """`stress-ng` is not there; the message says how to get it."""


@contextlib.contextmanager
def neighbours(count: int) -> Iterator[None]:
    """So many processors kept busy by others as long as the context lasts; none for 0.

    Raises:
        NoNeighbourError: there is no `stress-ng`.
    """
    if count == 0:
        yield
        return
    program = shutil.which("stress-ng")
    if program is None:
        raise NoNeighbourError("stress-ng is not installed; install it, or study --neighbours 0")
    with subprocess.Popen(
        [program, "--cpu", str(count), "--timeout", f"{LONGEST}s"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield
        finally:
            process.terminate()
