"""`freezebench compare`: many runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.comparing import (
    comparing,
    gathered,
    option_of,
    refused_in_a_sentence,
    with_doubts,
)
from bench.cli.options import NearChoice, picture, typed
from bench.cli.outputs import OutputError, refuse_unwritable, write
from bench.cli.telling import refuse, told_in_a_sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.collection.asked import Asked
    from bench.collection.compared import Comparison


def _file(option: str, says: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    kind = click.Path(path_type=Path, dir_okay=False)
    return click.option(option, f"{option[2:]}_file", type=kind, metavar="FILE", help=says)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@comparing
@click.option("--every", is_flag=True,
              help="Every comparison that the runs allow instead: by each axis, those that differ in "
              "that alone.")  # fmt: skip
@click.option("--phase", type=NearChoice(("total", "backward")), default="total", show_default=True,
              help="Whose ratios are shown; rankings are always of the total.")  # fmt: skip
@_file("--markdown", "Write it as Markdown too.")
@_file("--csv", "Write every figure, a line a cell and column.")
@_file("--json", "Write all that is said, for machines.")
@click.option("--plot", "plot_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              callback=picture, help="Draw a heat map, .png or .svg.")  # fmt: skip
@click.pass_context
def compare(
    context: click.Context,
    /,
    runs: tuple[Path, ...],
    asked: Asked,
    every: bool,
    phase: str,
    **files: Path | None,
) -> None:
    """Lay runs side by side: other GPUs, other versions of torch, other settings.

    Each RUN is the folder of a run, its run.json, or a folder of runs such as results/. Ratios to
    `full` of the same run are compared, and all settings but the one that tells the columns apart
    must be equal.
    """
    wanted = {f"--{name.removesuffix('_file')}": file for name, file in files.items()}
    if every:
        _refuse_with_every(context, wanted)
        _show_every(runs, phase)
        return
    with told_in_a_sentence(OutputError):
        refuse_unwritable(wanted)
    found = gathered(runs)

    from bench.collection.comparison import compare as compared  # noqa: PLC0415  reads with scipy

    with refused_in_a_sentence():
        (comparison,) = with_doubts([compared(found, asked)], found)
    _show(comparison, phase)
    with told_in_a_sentence(OutputError):
        for option, file in wanted.items():
            if file is not None:
                write(file, _form(option, comparison, phase, file))


def _refuse_with_every(context: click.Context, files: dict[str, Path | None]) -> None:
    given = [f"--{name}" for name in sorted(typed(context, "by", "only", "allow"))]
    given += [option for option, file in files.items() if file is not None]
    if given:
        refuse(
            f"{given[0]} is about one comparison, and --every shows all that there are; "
            "leave out one of the two"
        )


def _show_every(runs: tuple[Path, ...], phase: str) -> None:
    found = gathered(runs)

    from bench.collection.alike import alike  # noqa: PLC0415  reads with scipy

    comparisons = with_doubts(alike(found.entries), found)
    for comparison in comparisons:
        click.echo(f"\n=== by {option_of(comparison.axis)} ===\n")
        _show(comparison, phase)
    for note in found.notes:
        click.echo(f"note: {note}")
    if not comparisons:
        click.echo(
            "No two of these runs differ in one setting alone. What differs, and what may be "
            "allowed to, is told by: freezebench compare RUN... --by AXIS"
        )


def _show(comparison: Comparison, phase: str) -> None:
    from rich.console import Console  # noqa: PLC0415  after what may be refused

    from bench.report.comparison.terminal import show  # noqa: PLC0415

    show(comparison, Console(), phase)


def _form(option: str, comparison: Comparison, phase: str, file: Path) -> bytes:
    """The bytes of one form; what it needs is imported when its turn comes."""
    if option == "--markdown":
        from bench.report.comparison.markdown import markdown  # noqa: PLC0415

        return markdown(comparison, phase)
    if option == "--csv":
        from bench.report.comparison.table_csv import table_csv  # noqa: PLC0415

        return table_csv(comparison)
    if option == "--json":
        from bench.report.comparison.json_ import json_  # noqa: PLC0415

        return json_(comparison)
    from bench.report.comparison.heat import draw  # noqa: PLC0415
    from bench.report.look import render  # noqa: PLC0415

    return render(draw(comparison, phase), "svg" if file.suffix.lower() == ".svg" else "png")
