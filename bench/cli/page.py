"""`freezebench page`: runs as one file that one sends to a colleague."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench import store
from bench.cli.telling import refuse, told_in_a_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.collection.compared import Comparison
    from bench.records import Run

_LARGE = 5_000_000
"""Bytes from which many a mail server refuses an attachment."""


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=Path("report.html"), metavar="FILE", show_default=True,
              help="Where to write.")  # fmt: skip
def page(runs: tuple[Path, ...], output: Path) -> None:
    """Write runs as one self-contained page: charts, tables, and how to measure again.

    RUN is the folder of a run, its run.json, or a results folder, which stands for all runs in it.
    """
    from bench.page import PageError  # noqa: PLC0415
    from bench.page.page import render  # noqa: PLC0415

    if output.exists() and not output.is_file():
        refuse(f"{output} is no file; give --output the name of one that may be written")
    with told_in_a_sentence(store.StoreError, PageError):
        records = _records(runs)
        content = render(records, _compared(records))
        store.RunFolder(output.parent).write(output.name, content)
    many = "1 run" if len(records) == 1 else f"{len(records)} runs"
    click.echo(f"{output} holds {many} in {len(content) / 1e6:.1f} MB")
    if len(content) > _LARGE:
        click.echo("That is much for a mail: name fewer runs for a smaller page.", err=True)


def _records(paths: Sequence[Path]) -> list[Run]:
    """The runs that were named, each once, in the order in which they were named."""
    found = {file.resolve(): None for path in paths for file in _files(path)}
    return [store.load(file)[1] for file in found]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    if (path / store.RUN_FILE).exists():
        return [path / store.RUN_FILE]
    below = sorted(path.glob(f"*/*/{store.RUN_FILE}")) or sorted(path.glob(f"*/{store.RUN_FILE}"))
    if not below:
        raise store.StoreError(
            f"{path} holds no run; name the folder of a run, its run.json, or a results folder"
        )
    return below


def _compared(runs: Sequence[Run]) -> Comparison | None:
    """What lies side by side on top of a page of several runs.

    The seam to `bench.collection.comparison`: until that is wired, several runs are sections only.
    """
    del runs
    return None
