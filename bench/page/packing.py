"""A chart's specification as JSON that is small and safe inside an HTML script element."""

from __future__ import annotations

import json
from typing import Any

_LONG = 60  # rows from which columns take less room


def packed(spec: Any) -> Any:
    """`spec` with long lists of rows as columns, which the page's script unfolds again.

    A column of numbers is a list; one of texts is `{"of": distinct texts, "at": places in them}`.
    """
    if isinstance(spec, dict):
        rows = spec.get("values")
        if isinstance(rows, list) and len(rows) >= _LONG and isinstance(rows[0], dict):
            return {"columns": {name: _column([row[name] for row in rows]) for name in rows[0]}}
        return {key: packed(value) for key, value in spec.items()}
    if isinstance(spec, list):
        return [packed(value) for value in spec]
    return spec


def _column(values: list[Any]) -> Any:
    if not all(isinstance(value, str) for value in values):
        return [round(value, 6) if isinstance(value, float) else value for value in values]
    distinct = {value: place for place, value in enumerate(dict.fromkeys(values))}
    return {"of": list(distinct), "at": [distinct[value] for value in values]}


def script_json(value: Any) -> str:
    """`value` as JSON in which nothing can end, open or comment out an HTML script element.

    Raises:
        ValueError: it holds NaN or infinity, which JSON has not.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
