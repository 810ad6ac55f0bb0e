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
    """Render RESULTS/README.md: which runs are there, and what they say side by side.

    RESULTS is `results` if not given. Runs that are not done, were made up or cannot be read are
    left out, and named.
    """
    from bench.collection.find import FindError, tracked_by_git  # noqa: PLC0415  commands start fast
    from bench.collection.gathering import CollectionError, gather  # noqa: PLC0415  likewise
    from bench.collection.readme import ReadmeError, readme  # noqa: PLC0415  likewise

    with told_in_a_sentence(FindError, CollectionError, ReadmeError, store.StoreError):
        gathered = gather([results])
        entries = gathered.entries
        if tracked:
            kept = set(tracked_by_git(results, [entry.file for entry in entries]))
            entries = [entry for entry in entries if entry.file in kept]
        finished = [
            entry for entry in entries if entry.head.state == "done" and not entry.head.synthetic
        ]
        store.RunFolder(results).write(README, readme(finished, results.resolve()))
    left_out = [
        f"{entry.file} {'was made up for a test' if entry.head.synthetic else 'is not done'}"
        for entry in entries
        if entry not in finished
    ]
    for sentence in (*gathered.notes, *left_out):
        click.echo(f"left out: {sentence.removeprefix('left out: ')}", err=True)
    click.echo(f"{results / README} tells of {len(finished)} run{'s' * (len(finished) != 1)}")
