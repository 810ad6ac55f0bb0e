"""The committed run, and packs of it, whole and tampered with. Made-up runs would be refused."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench import store
from bench.collection.manifest import FORMAT, MANIFEST_FILE, Manifest, entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.records import Run

RESULTS = Path(__file__).resolve().parents[2] / "results"
COMMITTED = RESULTS / "intel-xeon-processor-2-cores" / "20261123-202520-2110"


@cache
def committed(*strategies: str) -> Run:
    """One workload of the committed run; all strategies if none are named."""
    whole = store.load(COMMITTED)[1]
    cells = [cell for cell in whole.cells if cell.workload == "policy"]
    chosen = [cell for cell in cells if not strategies or cell.strategy in strategies]
    return msgspec.structs.replace(whole, cells=chosen)


def encoded(run: Run) -> bytes:
    return msgspec.json.encode(run)


def path_of(run: Run) -> str:
    return f"{store.slug(run.machine.name)}/{run.id}/run.json"


def keep(results: Path, run: Run, **changes: object) -> Path:
    """The `run.json` of a run with changes below a results folder; a new id sets its time."""
    if "id" in changes:
        began = datetime.strptime(f"{changes['id']}"[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
        changes = {"started": began.isoformat(), **changes}
    changed = msgspec.structs.replace(run, **changes)
    file = results / path_of(changed)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encoded(changed))
    return file


def manifest_of(files: Mapping[str, bytes], version: int = FORMAT) -> bytes:
    listed = [entry(path, content) for path, content in files.items()]
    return msgspec.json.encode(Manifest(version, "0.1.0", listed))


def zipped(
    file: Path,
    files: Mapping[str, bytes],
    manifest: bytes | None = None,
    kinds: Mapping[str, int] | None = None,
    compression: int = zipfile.ZIP_DEFLATED,
) -> Path:
    """A zip of files, with a manifest that lists them as they are unless another is given."""
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr(MANIFEST_FILE, manifest_of(files) if manifest is None else manifest)
        for path, content in files.items():
            info = zipfile.ZipInfo()
            info.filename = path  # as it is: the constructor would mend it
            info.compress_type = compression
            info.external_attr = (kinds or {}).get(path, 0o100644) << 16
            archive.writestr(info, content)
    return file
