"""Where a side finds code: its harness, and its own packages before installed ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import bench

if TYPE_CHECKING:
    from bench.gate.time.checkout import Checkout

INSTALLED = ("site-packages", "dist-packages")


def sources(checkout: Checkout) -> dict[str, list[str]]:
    """The folders that a worker of a side looks into, as `forker.become_worker` takes them.

    `harness` is this project's: the checkout's own where it is one of this project, else the one
    that runs if it runs unpacked; an installed one the side's interpreter has too. `first` comes
    before everything else and `before_installed` after the standard library, so that a stray
    `queue.py` in the top folder does not become the one that torch imports.
    """
    source = checkout.root / "src"
    return {
        "harness": _harness(checkout),
        "first": [str(source)] if source.is_dir() else [],
        "before_installed": [str(checkout.root)],
    }


def is_freezebench(root: Path) -> bool:
    """Whether a checkout is one of this project itself."""
    return all((root / name).is_file() for name in ("strategies/strategy.py", "bench/cells.py"))


def has_gate(root: Path) -> bool:
    """Whether a checkout of this project is late enough to take part."""
    return (root / "bench/gate/time/side.py").is_file()


def _harness(checkout: Checkout) -> list[str]:
    if is_freezebench(checkout.root):
        return [str(checkout.root)]
    harness = Path(bench.__file__).resolve().parents[1]
    return [] if harness.name in INSTALLED else [str(harness)]
