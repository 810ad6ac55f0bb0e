"""The hazard matrix for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from bench.records import Hazards


def json_(hazards: Hazards) -> bytes:
    """The record of `bench/records/hazards.py`, indented."""
    return msgspec.json.format(msgspec.json.encode(hazards), indent=1) + b"\n"
