"""The files of the audit study."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bench.audit_study.outcome import Outcome  # noqa: TC001  msgspec reads annotations
from bench.audit_study.report import report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FOLDER = "audit-study"
FIRST_SIGHT = "first-sight.json"
"""What the auditor said of the held-out set-ups before it was mended by what they showed."""


class Document(msgspec.Struct):
    """Outcomes as a file holds them; `torch` is the version that they ran with."""

    torch: str
    outcomes: list[Outcome]


def write(results: Path, outcomes: Sequence[Outcome], torch: str) -> list[Path]:
    """Write README.md and audit-study.json into the study's folder below `results`.

    What `first-sight.json` holds, where it is, becomes a section of the README.

    Raises:
        OSError: they can't be written.
    """
    folder = results / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    document = Document(torch, list(outcomes))
    first = folder / FIRST_SIGHT
    seen: list[Outcome] = []
    if first.exists():
        seen = msgspec.json.decode(first.read_bytes(), type=Document).outcomes
    files = {
        folder / "README.md": report(outcomes, torch, seen),
        folder / "audit-study.json": msgspec.json.format(msgspec.json.encode(document)) + b"\n",
    }
    for file, content in files.items():
        file.write_bytes(content)
    return list(files)
