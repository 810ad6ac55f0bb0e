"""The files of the audit study."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bench.audit_study.report import report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.audit_study.outcome import Outcome

FOLDER = "audit-study"


def write(results: Path, outcomes: Sequence[Outcome], torch: str) -> list[Path]:
    """Write README.md and audit-study.json into the study's folder below `results`.

    Raises:
        OSError: they can't be written.
    """
    folder = results / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    document = {"torch": torch, "outcomes": list(outcomes)}
    files = {
        folder / "README.md": report(outcomes, torch),
        folder / "audit-study.json": msgspec.json.format(msgspec.json.encode(document)) + b"\n",
    }
    for file, content in files.items():
        file.write_bytes(content)
    return list(files)
