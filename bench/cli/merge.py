"""`freezebench merge`: runs from elsewhere join the results."""

from __future__ import annotations

from pathlib import Path

import click

from bench import store
from bench.cli.telling import told_in_a_sentence


@click.command()
@click.argument("packs", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE...")  # fmt: skip
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), default="results", show_default=True,
              help="The results folder that they join.")  # fmt: skip
def merge(packs: tuple[Path, ...], into: Path) -> None:
    """Add the runs of packs to a results folder, and make their reports.

    FILE is what `freezebench pack` wrote. Every pack and every run in it is checked before anything
    is written; a run that is there already is left alone.
    """
    from bench.collection.archive import ArchiveError  # noqa: PLC0415  commands start fast
    from bench.collection.merge import MergeError, merge  # noqa: PLC0415  likewise
    from bench.report import files  # noqa: PLC0415  likewise

    with told_in_a_sentence(ArchiveError, MergeError, store.StoreError):
        merged = merge(packs, into, files)
    for note in merged.notes:
        click.echo(f"note: {note}", err=True)
    for place in merged.added:
        click.echo(f"added {into / place}")
    for place in merged.present:
        click.echo(f"{into / place} was there already, with the same content")
