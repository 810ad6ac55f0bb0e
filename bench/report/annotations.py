"""Workflow commands of GitHub Actions: a line in a job's log that becomes an annotation.

The escapes are those of the `@actions/core` toolkit's `command.ts`.
"""

from __future__ import annotations

from typing import Literal

from bench.names import printable

Level = Literal["error", "warning", "notice"]


def annotation(level: Level, title: str, message: str) -> str:
    """One line, such as `::error title=policy × full::the model itself has changed`."""
    return f"::{level} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    """Text behind the command: several lines stay several lines."""
    lines = "\n".join(printable(line) for line in text.replace("\r\n", "\n").split("\n"))
    return lines.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")
