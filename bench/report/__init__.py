"""What a run says, in every form: terminal, Markdown, CSV and plots, rebuilt from the record."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Run

PLOTS = ("phases", "ratio", "memory", "verdicts")


def files(run: Run) -> Iterator[tuple[str, bytes]]:
    """The name and the bytes of every file of the report, the quick ones first.

    What a form needs is imported when its turn comes: nothing here imports matplotlib before the
    tables are out, and nothing ever imports torch.
    """
    from bench.report.table_md import table_md  # noqa: PLC0415

    yield "table.md", table_md(run)

    from bench.report.table_csv import table_csv  # noqa: PLC0415

    yield "table.csv", table_csv(run)

    from bench.report.look import render  # noqa: PLC0415

    for name in PLOTS:
        figure = import_module(f"bench.report.{name}").draw(run)
        yield f"{name}.png", render(figure, "png")
        yield f"{name}.svg", render(figure, "svg")
