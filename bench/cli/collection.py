"""`freezebench collection`: the README of a results folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench import store
from bench.cli.telling import refuse, told_in_a_sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.collection.compared import Comparison

README = "README.md"
MARK = "Written by `freezebench collection`"


@click.command()
@click.argument("results", type=click.Path(path_type=Path, file_okay=False), default="results")
@click.option("--tracked", is_flag=True, help="Only runs that git keeps: others in the folder are yours alone.")  # fmt: skip
def collection(results: Path, tracked: bool) -> None:
    """Render RESULTS/README.md: which runs are there, and what they say side by side.

    The heat maps that it leads to are drawn beside it. A README that this command did not write is
    left alone.

    RESULTS is `results` if not given. Runs that are not done, were made up or cannot be read are
    left out, and named.
    """
    from bench.collection.find import FindError, tracked_by_git  # noqa: PLC0415  commands start fast
    from bench.collection.gathering import CollectionError, gather  # noqa: PLC0415  likewise
    from bench.report.collection.readme import ReadmeError, readme, side_by_side  # noqa: PLC0415  likewise

    with told_in_a_sentence(FindError, CollectionError, ReadmeError, store.StoreError):
        _refuse_to_overwrite(results / README)
        gathered = gather([results])
        entries = gathered.entries
        if tracked:
            kept = set(tracked_by_git(results, [entry.file for entry in entries]))
            entries = [entry for entry in entries if entry.file in kept]
        finished = [
            entry for entry in entries if entry.head.state == "done" and not entry.head.synthetic
        ]
        comparisons = side_by_side(finished)
        text = readme(finished, results.resolve(), comparisons)
        _write(results, {README: text, **_pictures(comparisons)})
    left_out = [
        f"{entry.file} {'was made up for a test' if entry.head.synthetic else 'is not done'}"
        for entry in entries
        if entry not in finished
    ]
    for sentence in (*gathered.notes, *left_out):
        click.echo(f"left out: {sentence.removeprefix('left out: ')}", err=True)
    click.echo(f"{results / README} tells of {len(finished)} run{'s' * (len(finished) != 1)}")


def _pictures(comparisons: Mapping[str, Comparison]) -> dict[str, bytes]:
    from bench.report.comparison.heat import draw  # noqa: PLC0415  brings matplotlib along
    from bench.report.look import render  # noqa: PLC0415  likewise

    return {name: render(draw(each, "total"), "png") for name, each in comparisons.items()}


def _refuse_to_overwrite(readme: Path) -> None:
    if readme.exists() and MARK not in readme.read_text("utf-8", "replace"):
        refuse(
            f"{readme} was not written by this command, and stays as it is; move it away, or name "
            "another folder"
        )


def _write(results: Path, files: Mapping[str, bytes]) -> None:
    """The files; heat maps that the README of before leads to, and this one doesn't, go."""
    readme = results / README
    before = readme.read_text("utf-8", "replace") if readme.exists() else ""
    store.RunFolder(results).write_all(files.items())
    for picture in set(re.findall(r"\((by-[a-z0-9-]+\.png)\)", before)) - files.keys():
        (results / picture).unlink(missing_ok=True)
