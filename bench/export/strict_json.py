"""JSON as every reader takes it: ASCII, no NaN, no infinity."""

from __future__ import annotations

import json
from typing import Any

from bench.export import ExportError


def strict_json(value: Any, *, indent: int | None = None) -> bytes:
    """`value` as JSON on one line, or indented for people.

    Raises:
        ExportError: a figure is NaN or infinite, which JSON has no number for.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=True, indent=indent)
    except ValueError as error:
        raise ExportError(
            "a figure of the run is not finite, and JSON has no number for that; export csv instead"
        ) from error
    return (text + "\n").encode("ascii")
