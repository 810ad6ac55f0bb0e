"""An audit as JSON: the record itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from bench.records import Audit


def audit_json(audit: Audit) -> bytes:
    """Indented UTF-8; `msgspec.json.decode(..., type=Audit)` reads it back."""
    return msgspec.json.format(msgspec.json.encode(audit), indent=2) + b"\n"
