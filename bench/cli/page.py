"""`freezebench page`: runs as one file that one sends to a colleague."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench import store
from bench.cli.compare import comparing, compared
from bench.cli.telling import refuse, told_in_a_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.collection.asked import Asked
    from bench.collection.compared import Comparison
    from bench.records import Run

_LARGE = 5_000_000
"""Bytes from which many a mail server refuses an attachment."""

_MANY = 20
"""Runs from which a page is more than anyone scrolls through."""


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=Path("report.html"), metavar="FILE", show_default=True,
              help="Where to write.")  # fmt: skip
@comparing
def page(runs: tuple[Path, ...], output: Path, asked: Asked) -> None:
    """Write runs as one self-contained page: charts, tables, and how to measure again.

    RUN is the folder of a run, its run.json, or a results folder, which stands for all runs in it.
    Several runs are compared first, as `freezebench compare` does it.
    """
    from bench.collection.find import FindError  # noqa: PLC0415
    from bench.page import PageError  # noqa: PLC0415
    from bench.page.page import render  # noqa: PLC0415

    if output.exists() and not output.is_file():
        refuse(f"{output} is no file; give --output the name of one that may be written")
    with told_in_a_sentence(store.StoreError, PageError, FindError):
        records = _records(runs)
        comparison = compared(runs, asked) if len(records) > 1 else None
        if comparison is not None:
            records = _shown(records, comparison)
        content = render(records, comparison)
        store.RunFolder(output.parent).write(output.name, content)
    many = "1 run" if len(records) == 1 else f"{len(records)} runs"
    click.echo(f"{output} holds {many} in {len(content) / 1e6:.1f} MB")
    if len(content) > _LARGE:
        click.echo("That is much for a mail: name fewer runs for a smaller page.", err=True)


def _records(paths: Sequence[Path]) -> list[Run]:
    """The runs that were named, each once, in the order in which they were named."""
    from bench.collection.find import find_runs  # noqa: PLC0415

    return [store.load(file)[1] for file in find_runs(paths)]


def _shown(runs: Sequence[Run], comparison: Comparison) -> list[Run]:
    """Those that stand for a column: a page is about what is compared on top of it."""
    standing = {run for workload in comparison.workloads for run in workload.stands.values()}
    return [run for run in runs if run.id in standing]
