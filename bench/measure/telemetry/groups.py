"""The control groups that this process is in (cgroups(7), version 2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bench.measure.telemetry.files import text

if TYPE_CHECKING:
    from pathlib import Path


def groups(proc: Path, root: Path) -> list[Path]:
    """Folders of this process's own group and of those above it, up to `root`.

    A container often sees its own group as the root, and a name that leads elsewhere: a folder may
    be absent.
    """
    found = re.search(r"^0::/(.*)$", text(proc / "self/cgroup") or "", re.MULTILINE)
    folder = root / (found[1] if found else "")
    if ".." in folder.parts or not folder.is_relative_to(root):
        return [root]
    return [above for above in (folder, *folder.parents) if above.is_relative_to(root)]
