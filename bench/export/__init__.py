"""A run in the forms that other tools read: a record in, bytes out, no file is opened.

One exporter a file. Each has `export(run) -> bytes`, holds no host, user or folder, and gives the
same bytes for the same run.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.records import Run


class ExportError(Exception):
    """A run cannot be put into a form; the message says why, and what to do."""


@dataclass(frozen=True)
class Format:
    """One form.

    Attributes:
        module: the exporter's module in this package.
        says: what it holds, in a few words.
        is_text: whether a terminal can show it.
    """

    module: str
    says: str
    is_text: bool = True


FORMATS: dict[str, Format] = {
    "pytest-benchmark": Format("pytest_benchmark", "read by pytest-benchmark's compare"),
    "github-action-benchmark": Format("github_action", "its customSmallerIsBetter: no seconds"),
    "bencher": Format("bencher", "Bencher Metric Format"),
    "csv": Format("samples_csv", "one row a sample and phase"),
    "parquet": Format("samples_parquet", "the same rows; takes pyarrow", is_text=False),
    "junit": Format("junit", "one test case a verdict"),
}


def export(run: Run, name: str) -> bytes:
    """The run in the form called `name`, one of `FORMATS`.

    What a form needs is imported when it is asked for.

    Raises:
        ExportError: a package is missing, or the run holds what the form cannot.
        KeyError: there is no such form.
    """
    content: bytes = import_module(f"bench.export.{FORMATS[name].module}").export(run)
    return content
