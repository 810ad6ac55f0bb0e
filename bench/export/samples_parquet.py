"""The raw samples as Parquet: typed, and a small part of the size of CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.export import ExportError
from bench.export.samples import samples

if TYPE_CHECKING:
    from bench.records import Run


def export(run: Run) -> bytes:
    """One row a sample and phase, written by pyarrow.

    Raises:
        ExportError: pyarrow is not installed.
    """
    try:
        return samples(run).to_parquet(None, engine="pyarrow", index=False)
    except ImportError as error:
        raise ExportError(
            "the format parquet is written by pyarrow; pip install 'freezebench[parquet]'"
        ) from error
