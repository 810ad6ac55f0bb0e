"""The line of code after which a tensor differs."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.audit.kept import tensors_at
from bench.audit.raised import is_installed, is_users

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from torch import nn

    from bench.measure.stillness import Place, Stillness


@contextmanager
def traced(
    model: nn.Module, kept: Stillness, places: Sequence[Place], found: dict[Place, str]
) -> Iterator[None]:
    """Within the block, `found` gets `train.py:42` for each place, as soon as it differs.

    The tensors are compared after every line of the user's own code that runs in this thread, so
    that it is all one how a line wrote: through `.data`, numpy, or a call.
    """
    last: dict[FrameType, int] = {}
    open_places = set(places)

    def look(frame: FrameType, line: int) -> None:
        now = tensors_at(model, list(open_places))
        for place, tensor in now.items():
            if kept.differs(place, tensor):
                found[place] = _told(frame, line)
                open_places.discard(place)

    def inside(frame: FrameType, event: str, _: Any) -> Any:
        if not open_places:
            return None
        if event in ("line", "return") and frame in last:
            look(frame, last[frame])
        if event == "line":
            last[frame] = frame.f_lineno
        elif event == "return":
            last.pop(frame, None)
        return inside

    def call(frame: FrameType, event: str, _: Any) -> Any:
        if not open_places or not is_users(frame.f_code.co_filename):
            return None
        return inside

    before = sys.gettrace()
    sys.settrace(call)
    try:
        yield
    finally:
        sys.settrace(before)


def _told(frame: FrameType, line: int) -> str:
    """The line that wrote; inside a library, the user's own line that called it."""
    outer: FrameType | None = frame
    while outer is not None and (
        is_installed(outer.f_code.co_filename) or not is_users(outer.f_code.co_filename)
    ):
        outer = outer.f_back
    if outer is None or outer is frame:
        return f"{Path(frame.f_code.co_filename).name}:{line}"
    return f"{Path(outer.f_code.co_filename).name}:{outer.f_lineno}"
