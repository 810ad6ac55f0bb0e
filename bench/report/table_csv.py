"""The tidy table as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.frame import tidy

if TYPE_CHECKING:
    from bench.records import Run


def table_csv(run: Run) -> bytes:
    """UTF-8, a header, one line a cell; a figure that wasn't measured is an empty field."""
    return tidy(run).to_csv(index=False, lineterminator="\n").encode("utf-8", "replace")
