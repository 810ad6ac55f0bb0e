"""What is printed into a pipe or a file that takes no more: no traceback, and the exit code holds.

By itself Python would end with 1 where a reader leaves (`freezebench gate … | head`), which means a
finding here, and with a traceback where a disk is full.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

from bench.cli.telling import refuse

if TYPE_CHECKING:
    from typing import TextIO

    from _typeshed import ReadableBuffer


def hold_streams() -> None:
    """From here on, what nobody reads any more goes nowhere, and the command goes on.

    A stdout that refuses for another reason ends the command in a sentence.
    """
    sys.stdout = _held(sys.stdout, _Stdout)
    sys.stderr = _held(sys.stderr, _Held)


def _held(stream: TextIO | None, held: type[_Held]) -> TextIO | None:
    if stream is None or stream.isatty():  # None: it was closed before we began
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(held(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=True,
    )


class _Held(io.FileIO):
    def write(self, content: ReadableBuffer, /) -> int:
        try:
            return super().write(content)
        except OSError as error:
            # Later writes too, and what is left in a buffer is flushed once more at exit.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            self.refused(error)
            return memoryview(content).nbytes

    def refused(self, error: OSError) -> None:
        """Of stderr, there is nobody left to tell."""


class _Stdout(_Held):
    def refused(self, error: OSError) -> None:
        """A reader that left has seen what it wanted; whoever keeps the output has not got it."""
        if not isinstance(error, BrokenPipeError):
            why = (error.strerror or str(error)).lower()
            refuse(f"cannot write to stdout: {why}; send it elsewhere")
