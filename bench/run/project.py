"""Which code measured: its version and, in a checkout, the commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench import __version__
from bench.records import Project

ROOT = Path(__file__).resolve().parents[2]
CODE = ("bench", "strategies", "pyproject.toml")


def project() -> Project:
    """This project's version, commit, and whether its code differs from that.

    What else lies in a checkout, a user's model or results, is no change of what measures.
    """
    if not (ROOT / ".git").exists():
        return Project(version=__version__, commit=None, dirty=None)
    commit, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--", *CODE)
    return Project(
        version=__version__, commit=commit, dirty=None if changes is None else bool(changes)
    )


def _git(*arguments: str) -> str | None:
    try:
        found = subprocess.run(
            ["git", "-C", str(ROOT), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
