"""The raw samples as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.export.samples import samples

if TYPE_CHECKING:
    from bench.records import Run


def export(run: Run) -> bytes:
    """UTF-8, a header, one line a sample and phase; what wasn't measured is an empty field."""
    return samples(run).to_csv(index=False, lineterminator="\n").encode("utf-8", "replace")
