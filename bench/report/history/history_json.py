"""A history for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from bench.collection.history import History


def history_json(history: History) -> bytes:
    """UTF-8 JSON with a line feed at its end: all of the history, as `History` names it."""
    return msgspec.json.format(msgspec.json.encode(history), indent=2) + b"\n"
