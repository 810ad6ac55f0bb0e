"""`freezebench compare`: many runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench import store
from bench.cli.gate.outputs import OutputError, refuse_unwritable, write
from bench.cli.options import NearChoice, picture
from bench.cli.telling import refuse, told_in_a_sentence, watching
from bench.collection.asked import NAMES, Asked, UnknownNameError, setting
from bench.collection.settings import AXES

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.collection.compared import Comparison


class Only(click.ParamType[tuple[str, str]]):
    """`SETTING=VALUE`, where a workload or a strategy is named likewise."""

    name = "setting=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """The setting as it is called inside, and the value as it was typed."""
        name, equals, wanted = str(value).partition("=")
        if not equals:
            self.fail(
                f"{value!r} has no value; write SETTING=VALUE, as in dtype=float32", param, ctx
            )
        try:
            return setting(name, NAMES), wanted
        except UnknownNameError as error:
            self.fail(_suggested(error), param, ctx)


class Setting(click.ParamType[str]):
    """The name of a setting that may differ."""

    name = "setting"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The setting as it is called inside."""
        try:
            return setting(str(value))
        except UnknownNameError as error:
            self.fail(_suggested(error), param, ctx)


def _file(option: str, says: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    kind = click.Path(path_type=Path, dir_okay=False)
    return click.option(option, f"{option[2:]}_file", type=kind, metavar="FILE", help=says)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--by", type=NearChoice(tuple(AXES)), default="gpu", show_default=True,
              help="What tells the columns apart; gpu is the accelerator, or the processor of a run "
              "on that, and machine is the same.")  # fmt: skip
@click.option("--only", multiple=True, type=Only(), metavar="SETTING=VALUE",
              help="Keep the runs alone that have it; a workload or a strategy is named likewise. "
              "Repeatable: one setting twice keeps either value.")  # fmt: skip
@click.option("--allow", multiple=True, type=Setting(), metavar="SETTING",
              help="Let it differ: its value becomes part of a column's label. Repeatable.")  # fmt: skip
@click.option("--phase", type=NearChoice(("total", "backward")), default="total", show_default=True,
              help="Whose ratios are shown; rankings are always of the total.")  # fmt: skip
@_file("--markdown", "Write it as Markdown too.")
@_file("--csv", "Write every figure, a line a cell and column.")
@_file("--json", "Write all that is said, for machines.")
@click.option("--plot", "plot_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              callback=picture, help="Draw a heat map, .png or .svg.")  # fmt: skip
def compare(
    runs: tuple[Path, ...],
    by: str,
    only: tuple[tuple[str, str], ...],
    allow: tuple[str, ...],
    phase: str,
    **files: Path | None,
) -> None:
    """Lay runs side by side: other GPUs, other versions of torch, other settings.

    Each RUN is the folder of a run, its run.json, or a folder of runs such as results/. Ratios to
    `full` of the same run are compared, and all settings but the one that tells the columns apart
    must be equal.
    """
    wanted = {f"--{name.removesuffix('_file')}": file for name, file in files.items()}
    asked = Asked(AXES[by], only, frozenset(allow))
    with told_in_a_sentence(OutputError):
        refuse_unwritable(wanted)
    comparison = _compared(runs, asked)

    from rich.console import Console  # noqa: PLC0415  after what may be refused

    from bench.report.comparison.terminal import show  # noqa: PLC0415

    show(comparison, Console(), phase)
    with told_in_a_sentence(OutputError):
        for option, file in wanted.items():
            if file is not None:
                write(file, _form(option, comparison, phase, file))


def _compared(runs: tuple[Path, ...], asked: Asked) -> Comparison:
    from bench.collection.comparison import compare  # noqa: PLC0415  reads with scipy
    from bench.collection.gathering import CollectionError, gather  # noqa: PLC0415

    try:
        with told_in_a_sentence(CollectionError, store.StoreError):
            with watching() as progress:

                def told(done: int, total: int) -> None:
                    if done == 1:
                        progress.begin("reading runs", total)
                    progress.advance(1)

                gathered = gather(runs, told)
            return compare(gathered, asked)
    except UnknownNameError as error:
        refuse(_suggested(error))


def _suggested(error: UnknownNameError) -> str:
    from strategies.suggest import suggest  # noqa: PLC0415  brings torch along

    return f"{error}; {suggest(error.name, error.known)}"


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
