"""The files of the audit study."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bench.audit_study.observe import PROCESSOR
from bench.audit_study.outcome import Outcome  # noqa: TC001  msgspec reads annotations
from bench.audit_study.report import Elsewhere, report
from bench.store import slug

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "audit-study"
FIRST_SIGHT = "first-sight.json"
"""What the auditor said of the held-out set-ups before it was mended by what they showed."""


class Document(msgspec.Struct):
    """Outcomes as a file holds them.

    Attributes:
        torch: the version that they ran with.
        outcomes: of the set-ups.
        device: that they ran on, by the name that its maker gives it.
        left_out: why set-ups do not run there at all, by name.
        commit: of the auditor; `None` outside of a checkout, and in files of before it was kept.
    """

    torch: str
    outcomes: list[Outcome]
    device: str = PROCESSOR
    left_out: dict[str, str] = {}
    commit: str | None = None


def write(results: Path, document: Document) -> list[Path]:
    """Write the document into the study's folder below `results`, and the README of what is there.

    `audit-study.json` is of a processor, `on-<device>.json` of another device. What those and
    `first-sight.json` hold, where they are, become sections of the README.

    Raises:
        OSError: they can't be written.
    """
    folder = results / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    main = folder / "audit-study.json"
    file = main if document.device == PROCESSOR else folder / f"on-{slug(document.device)}.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
    if not main.exists():
        return [file]
    of_processor = _read(main)
    first = folder / FIRST_SIGHT
    readme = folder / "README.md"
    readme.write_bytes(
        report(
            of_processor.outcomes,
            of_processor.torch,
            _read(first).outcomes if first.exists() else (),
            [_elsewhere(each) for each in sorted(folder.glob("on-*.json"))],
        )
    )
    return [readme, file]


def _read(file: Path) -> Document:
    return msgspec.json.decode(file.read_bytes(), type=Document)


def _elsewhere(file: Path) -> Elsewhere:
    document = _read(file)
    return Elsewhere(
        file.name, document.device, document.torch, document.outcomes, document.left_out
    )
