"""`freezebench history`: the same machine and work over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench import store
from bench.cli.options import NearChoice, picture
from bench.cli.outputs import OutputError, refuse_unwritable, write
from bench.cli.telling import told_in_a_sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Run


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("-w", "--workload", "workloads", multiple=True, metavar="W", help="Only this workload. Repeatable.")  # fmt: skip
@click.option("-s", "--strategy", "strategies", multiple=True, metavar="S", help="Only this strategy. Repeatable.")  # fmt: skip
@click.option("--phase", type=NearChoice(("total", "backward")), default="total", show_default=True, help="Which time's ratio to `full`.")  # fmt: skip
@click.option("--plot", "plot_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", callback=picture, help="A picture too: FILE.png or FILE.svg.")  # fmt: skip
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="All of it for machines.")  # fmt: skip
def history(
    runs: tuple[Path, ...],
    workloads: tuple[str, ...],
    strategies: tuple[str, ...],
    phase: str,
    plot_file: Path | None,
    json_file: Path | None,
) -> None:
    """Ratios to `full` of the same machine and work over time, and where they changed.

    RUN is the folder of a run, its run.json, or a results folder, which means all runs in it. Other
    versions of torch, the driver or freezebench belong to one history: they are what a change is
    explained by. A file of your own that was edited begins a new one. A change needs at least 6 runs, and is no judgement: `freezebench gate` judges.
    """
    from rich.console import Console  # noqa: PLC0415  commands start fast

    from bench.collection.changepoints import ChangePointError  # noqa: PLC0415  likewise
    from bench.collection.find import FindError, find_runs  # noqa: PLC0415  likewise
    from bench.collection.history import HistoryError, history  # noqa: PLC0415  likewise
    from bench.report.history.history_json import history_json  # noqa: PLC0415  likewise
    from bench.report.history.text import show  # noqa: PLC0415  likewise

    mistakes = (ChangePointError, FindError, HistoryError, OutputError, store.StoreError)
    with told_in_a_sentence(*mistakes):
        refuse_unwritable({"--plot": plot_file, "--json": json_file})
        found = history(_loaded(find_runs(runs)), phase, workloads, strategies)
        if json_file is not None:
            write(json_file, history_json(found))
    if plot_file is not None:
        from bench.report.history.plot import PlotError, rendered  # noqa: PLC0415  matplotlib

        with told_in_a_sentence(OutputError, PlotError):
            write(
                plot_file, rendered(found, "svg" if plot_file.suffix.lower() == ".svg" else "png")
            )
    show(found, Console())


def _loaded(files: list[Path]) -> Iterator[Run]:
    """The runs that can be read; others are told, and left out where there are several."""
    for file in files:
        try:
            yield store.load(file)[1]
        except store.StoreError as error:
            if len(files) == 1:
                raise
            click.echo(f"left out: {error}", err=True)
