"""`freezebench report`: a run's table and plots, made again."""

from __future__ import annotations

from pathlib import Path

import click

from bench import store
from bench.cli.telling import show, told_in_a_sentence


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
def report(runs: tuple[Path, ...]) -> None:
    """Make table and plots of a run again, from its run.json."""
    with told_in_a_sentence(store.StoreError):
        for path in runs:
            folder, record = store.load(path)
            show(record, folder)
