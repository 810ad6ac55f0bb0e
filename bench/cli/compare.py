"""`freezebench compare`: many runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.comparing import comparing, gathered, refused_in_a_sentence
from bench.cli.gate.outputs import OutputError, refuse_unwritable, write
from bench.cli.options import NearChoice, picture
from bench.cli.telling import told_in_a_sentence

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
@click.option("--phase", type=NearChoice(("total", "backward")), default="total", show_default=True,
              help="Whose ratios are shown; rankings are always of the total.")  # fmt: skip
@_file("--markdown", "Write it as Markdown too.")
@_file("--csv", "Write every figure, a line a cell and column.")
@_file("--json", "Write all that is said, for machines.")
@click.option("--plot", "plot_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              callback=picture, help="Draw a heat map, .png or .svg.")  # fmt: skip
def compare(
    runs: tuple[Path, ...],
    asked: Asked,
    phase: str,
    **files: Path | None,
) -> None:
    """Lay runs side by side: other GPUs, other versions of torch, other settings.

    Each RUN is the folder of a run, its run.json, or a folder of runs such as results/. Ratios to
    `full` of the same run are compared, and all settings but the one that tells the columns apart
    must be equal.
    """
    wanted = {f"--{name.removesuffix('_file')}": file for name, file in files.items()}
    with told_in_a_sentence(OutputError):
        refuse_unwritable(wanted)
    found = gathered(runs)

    from bench.collection.comparison import compare as compared  # noqa: PLC0415  reads with scipy

    with refused_in_a_sentence():
        comparison = compared(found, asked)

    from rich.console import Console  # noqa: PLC0415  after what may be refused

    from bench.report.comparison.terminal import show  # noqa: PLC0415

    show(comparison, Console(), phase)
    with told_in_a_sentence(OutputError):
        for option, file in wanted.items():
            if file is not None:
                write(file, _form(option, comparison, phase, file))


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
