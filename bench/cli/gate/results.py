"""`freezebench gate results`: two stored runs compared."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench import store
from bench.cli.gate.options import exit_code, margins, markdown_option, strict_option
from bench.cli.outputs import OutputError, append, refuse_unwritable
from bench.cli.telling import refuse, told_in_a_sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Run


@click.command()
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("head", type=click.Path(path_type=Path))
@click.option("--history", "histories", multiple=True, metavar="RUN", type=click.Path(path_type=Path),
              help="Another run of the same cells on the same machine, or a folder of runs. "
              "Repeatable; the folders beside BASE if none is given.")  # fmt: skip
@margins("the backward pass")
@strict_option
@markdown_option
def results(
    base: Path,
    head: Path,
    histories: tuple[Path, ...],
    margin: float,
    phase_margin: float,
    strict: bool,
    markdown_file: Path | None,
) -> None:
    """Compare two stored runs by their ratios to `full`.

    BASE and HEAD are folders of runs, or their run.json. Runs differ by more than their own
    intervals say; how much is estimated from at least 3 other runs of the same cells on the same
    machine. Exit code 0: pass; 1: fail; 4: can't tell.
    """
    from rich.console import Console  # noqa: PLC0415

    from bench.gate.stored.comparable import ResultsError  # noqa: PLC0415
    from bench.gate.stored.gate import Margins, compare  # noqa: PLC0415
    from bench.report.gate.results import markdown, show  # noqa: PLC0415

    with told_in_a_sentence(store.StoreError, ResultsError, OutputError):
        refuse_unwritable({"--markdown": markdown_file})
        folder, before = store.load(base)
        _, after = store.load(head)
        history = list(_named(histories) if histories else _beside(folder.path))
        comparison = compare(before, after, history, Margins(margin, phase_margin))
        if markdown_file is not None:
            append(markdown_file, markdown(comparison))
    show(comparison, Console())
    sys.exit(exit_code(comparison.answer, strict=strict))


def _named(paths: tuple[Path, ...]) -> Iterator[Run]:
    """The runs that were named, one by one or by their folder."""
    for path in paths:
        if path.is_dir() and not (path / store.RUN_FILE).exists():
            files = sorted(path.rglob(store.RUN_FILE))
            if not files:
                refuse(f"there is no run in {path}; name the folder of a run, or one of runs")
            yield from (store.load(file)[1] for file in files)
        else:
            yield store.load(path)[1]


def _beside(folder: Path) -> Iterator[Run]:
    """The runs in the folders beside one; what cannot be read is told, and left out."""
    for file in sorted(folder.resolve().parent.glob(f"*/{store.RUN_FILE}")):
        try:
            yield store.load(file)[1]
        except store.StoreError as error:
            click.echo(f"freezebench: left out of the history: {error}", err=True)
