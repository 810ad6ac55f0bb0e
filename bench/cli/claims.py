"""`freezebench claims`: what people say about freezing, measured."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench import store
from bench.cli.options import NearChoice
from bench.cli.outputs import OutputError, refuse_unwritable, write
from bench.cli.telling import told_in_a_sentence, watching
from bench.exits import CELL_FAILED, DONE, INTERRUPTED

if TYPE_CHECKING:
    from bench.records import Claims

FOLDER = "claims"
"""Below the results."""


@click.command()
@click.argument("numbers", nargs=-1, type=int, metavar="[NUMBER]...")
@click.option("--seeds", type=click.IntRange(min=2), default=5, show_default=True, help="Repetitions of the experiment on noisy digits (claim 7).")  # fmt: skip
@click.option("--results", type=click.Path(path_type=Path, file_okay=False), default="results", show_default=True, help="All claims together are written to RESULTS/claims/.")  # fmt: skip
@click.option("--format", "form", type=NearChoice(("text", "markdown", "json")), default="text", show_default=True,
              help="What is printed.")  # fmt: skip
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the record of the claims that were asked for.")  # fmt: skip
def claims(
    numbers: tuple[int, ...], seeds: int, results: Path, form: str, json_file: Path | None
) -> None:
    """Measure what a forum thread and an article say about freezing, and answer each claim.

    NUMBERs name claims, 1 to 14; all if none. A page with plots is written to RESULTS/claims/ when
    all are measured: a few of them are shown here and leave the page as it is, unless --json names
    a file for them.

    Exit code 0: all were measured, whatever the verdicts; 2: the request is wrong; 3: a measurement
    broke, and the others are kept.
    """
    from bench.claims import ROSTER, UnknownClaimError, chosen  # noqa: PLC0415
    from bench.run import interruption  # noqa: PLC0415

    interruption.listen()
    folder = store.RunFolder(results / FOLDER)
    try:
        with told_in_a_sentence(UnknownClaimError, OutputError, store.StoreError):
            asked = chosen(numbers)
            whole = asked == list(ROSTER)
            refuse_unwritable({"--json": json_file})
            if whole:
                _make(folder.path)
        found = _measured(asked, seeds)
        with told_in_a_sentence(OutputError, store.StoreError):
            _tell(found, form)
            if json_file is not None:
                from bench.report.claims.record import record_json  # noqa: PLC0415

                write(json_file, record_json(found))
            if whole:
                from bench.report.claims import files  # noqa: PLC0415

                folder.write_all(files(found))
                click.echo(f"\n{folder.path}/ holds README.md, claims.json and the plots", err=True)
            else:
                click.echo(
                    f"\nNot all claims were measured, so {folder.path}/ is left as it is.", err=True
                )
    except KeyboardInterrupt:
        click.echo("\nInterrupted; nothing was written.", err=True)
        sys.exit(INTERRUPTED)
    broke = any(answer.verdict is None for answer in found.answers)
    sys.exit(CELL_FAILED if broke else DONE)


def _make(folder: Path) -> None:
    """The folder, writable, before anything is measured."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(
            f"cannot write to {folder}: {reason}; choose another with --results"
        ) from error
    refuse_unwritable({"--results": folder / "claims.json"})


def _measured(numbers: list[int], seeds: int) -> Claims:
    from bench.claims import Laboratory, Settings, answer_all  # noqa: PLC0415

    with watching() as progress:
        return answer_all(numbers, Laboratory(Settings(seeds=seeds), progress))


def _tell(found: Claims, form: str) -> None:
    if form == "json":
        from bench.report.claims.record import record_json  # noqa: PLC0415

        click.echo(record_json(found).decode())
    elif form == "markdown":
        from bench.report.claims.page import page  # noqa: PLC0415

        click.echo(page(found, ()))
    else:
        from rich.console import Console  # noqa: PLC0415

        from bench.report.claims.terminal import show  # noqa: PLC0415

        show(found, Console())
