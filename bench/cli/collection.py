"""`freezebench collection`: the README of a results folder."""

from __future__ import annotations

from pathlib import Path

import click

from bench import store
from bench.cli.telling import told_in_a_sentence

README = "README.md"


@click.command()
@click.argument("results", type=click.Path(path_type=Path, file_okay=False), default="results")
@click.option("--tracked", is_flag=True, help="Only runs that git keeps: others in the folder are yours alone.")  # fmt: skip
def collection(results: Path, tracked: bool) -> None:
    """Render RESULTS/README.md: which machines are there, and what they say side by side.

    RESULTS is `results` if not given. Runs that are not done, were made up or cannot be read are
    left out, and named.
    """
    from bench.collection.find import FindError, find_runs, tracked_by_git  # noqa: PLC0415  commands start fast
    from bench.collection.readme import ReadmeError, readme  # noqa: PLC0415  likewise
    from bench.collection.shelf import shelved  # noqa: PLC0415  likewise

    with told_in_a_sentence(FindError, ReadmeError, store.StoreError):
        files = find_runs([results])
        kept, left_out = shelved(tracked_by_git(results, files) if tracked else files, results)
        store.RunFolder(results).write(README, readme(kept))
    for sentence in left_out:
        click.echo(f"left out: {sentence}", err=True)
    click.echo(f"{results / README} tells of {len(kept)} run{'s' * (len(kept) != 1)}")
