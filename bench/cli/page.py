"""`freezebench page`: runs as one file that one sends to a colleague."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench import store
from bench.cli.comparing import comparing, gathered, refused_in_a_sentence, with_doubts
from bench.cli.options import typed
from bench.cli.outputs import OutputError, refuse_unwritable, write
from bench.cli.telling import told_in_a_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.collection.asked import Asked
    from bench.collection.compared import Comparison
    from bench.collection.gathering import Gathered


def html(_context: click.Context, _option: click.Parameter, file: Path) -> Path:
    """A file whose name says that it is a page: what is there under it may be written over."""
    if file.suffix.lower() not in (".html", ".htm"):
        raise click.BadParameter(f"{file} names no page; end it in .html")
    return file


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=Path("report.html"), metavar="FILE", show_default=True,
              callback=html, help="Where to write: FILE.html.")  # fmt: skip
@comparing
@click.pass_context
def page(context: click.Context, runs: tuple[Path, ...], output: Path, asked: Asked) -> None:
    """Write runs as one self-contained page: charts, tables, and how to measure again.

    RUN is the folder of a run, its run.json, or a results folder, which stands for all runs in it.
    Several runs are laid side by side first: by everything in which alone some of them differ, or
    as --by, --only and --allow say. Paths in reasons and notes are shortened to their last names.
    """
    from bench.page import PageError  # noqa: PLC0415
    from bench.page.page import LARGEST, render  # noqa: PLC0415
    from bench.portable import run_without_folders, without_folders  # noqa: PLC0415

    with told_in_a_sentence(OutputError):
        refuse_unwritable({"--output": output})
    explicit = bool(typed(context, "by", "only", "allow"))
    found = gathered(runs)
    comparisons = with_doubts(_compared(found, asked if explicit else None), found)
    shown = _shown(found, comparisons if explicit else [])
    with told_in_a_sentence(store.StoreError, PageError, OutputError):
        records = [store.load(file)[1] for file in shown]
        content = render(
            [run_without_folders(record) for record in records],
            [replace(each, notes=[without_folders(n) for n in each.notes]) for each in comparisons],
        )
        write(output, content)
    for note in found.notes:
        click.echo(note, err=True)
    many = "1 run" if len(records) == 1 else f"{len(records)} runs"
    click.echo(f"{output} holds {many} in {len(content) / 1e6:.1f} MB")
    if len(content) > LARGEST:
        click.echo("That is much for a mail: name fewer runs for a smaller page.", err=True)


def _compared(found: Gathered, asked: Asked | None) -> list[Comparison]:
    """What is laid side by side: as asked, or whatever may be."""
    from bench.collection.alike import alike  # noqa: PLC0415  reads with scipy
    from bench.collection.comparison import compare  # noqa: PLC0415  likewise

    with refused_in_a_sentence():
        return alike(found.entries) if asked is None else [compare(found, asked)]


def _shown(found: Gathered, comparisons: Sequence[Comparison]) -> list[Path]:
    """The files of those that stand for a column of a comparison that was asked for, else of all."""
    from bench.collection.doubts import standing_in  # noqa: PLC0415  commands start fast

    standing = {run for comparison in comparisons for run in standing_in(comparison)}
    return [entry.file for entry in found.entries if not standing or entry.head.id in standing]
