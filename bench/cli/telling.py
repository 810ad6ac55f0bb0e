"""What the commands have in common: a mistake in a sentence, a run on the terminal, progress."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from bench.exits import WRONG_REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import store
    from bench.records import Run
    from bench.run.progress import Progress


def show(run: Run, folder: store.RunFolder) -> None:
    """A run on the terminal, and its reports in its folder."""
    from rich.console import Console  # noqa: PLC0415

    from bench.report import files  # noqa: PLC0415
    from bench.report.terminal import show  # noqa: PLC0415

    show(run, Console())
    folder.write_all(files(run))
    click.echo(f"\n{folder.path}/ holds run.json, table.md, table.csv and the plots")


@contextlib.contextmanager
def watching() -> Iterator[Progress]:
    """Progress on the terminal."""
    from bench.report.progress import watching  # noqa: PLC0415

    with watching() as progress:
        yield progress


@contextlib.contextmanager
def told_in_a_sentence(*mistakes: type[Exception]) -> Iterator[None]:
    """A user's mistake ends the command with one sentence instead of a traceback."""
    try:
        yield
    except mistakes as error:
        refuse(str(error))


def refuse(sentence: str) -> NoReturn:
    """Say what is wrong with the request, and exit."""
    click.echo(f"freezebench: {sentence}", err=True)
    sys.exit(WRONG_REQUEST)
