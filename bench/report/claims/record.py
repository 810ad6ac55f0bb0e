"""The claims as JSON: the record itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from bench.records import Claims


def record_json(found: Claims) -> bytes:
    """UTF-8, one line and a newline; `msgspec.json.decode(..., type=Claims)` reads it."""
    return msgspec.json.encode(found) + b"\n"
