"""Which runs a command is about: folders and files on the command line."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from bench.collection.listing import listed
from bench.store import RUN_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class FindError(Exception):
    """There is no run where one was said to be; the message says where."""


def find_runs(paths: Iterable[Path]) -> list[Path]:
    """The `run.json` of every run that `paths` mean, each once, in order.

    A path is a `run.json`, the folder of a run, that of a machine, or a results folder; in the
    latter two, runs come by name, so oldest first on each machine. Hidden folders hold what is
    being written, and no runs.

    Raises:
        FindError: a path is not there, or has no run.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        files = _below(path)
        if not files:
            if not path.exists():
                raise FindError(f"there is no {path}; name a run's folder, or a results folder")
            raise FindError(
                f"there is no run in {path}: no {RUN_FILE}, and no <machine>/<run>/{RUN_FILE}"
            )
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _below(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if (path / RUN_FILE).is_file():
        return [path / RUN_FILE]
    return [path / file for file in sorted(listed(path))]


def tracked_by_git(folder: Path, files: Iterable[Path]) -> list[Path]:
    """Those of `files` that git keeps, by the checkout that `folder` is in.

    Raises:
        FindError: it is in none, or git is not there.
    """
    try:
        kept = subprocess.run(
            ["git", "-C", str(folder), "ls-files", "-z"],
            capture_output=True,
            check=True,
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise FindError(f"{folder} is in no checkout of git that can be asked") from error
    tracked = {(folder / os.fsdecode(name)).resolve() for name in kept.stdout.split(b"\0") if name}
    return [file for file in files if file.resolve() in tracked]
