"""`freezebench hazards`: every known way in which a freeze goes wrong, under every strategy."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench import store
from bench.cli.telling import refuse, told_in_a_sentence, watching
from bench.exits import CELL_FAILED, DONE

if TYPE_CHECKING:
    from bench.records import Hazards

_FOLDER = "hazards"


@click.command()
@click.option("--only", multiple=True, metavar="NAME", help="Only this hazard. Repeatable.")
@click.option("-s", "--strategy", "strategies", multiple=True, metavar="S",
              help="Only this strategy: a name of `freezebench list strategies`, with +eval, or "
              "path/to/file.py:Class. Repeatable.")  # fmt: skip
@click.option("--results", type=click.Path(path_type=Path, file_okay=False),
              help="Write RESULTS/hazards/; `results` if all hazards and strategies are measured. "
              "A part of the matrix is written only where this is given.")  # fmt: skip
@click.option("--list", "list_them", is_flag=True, help="Name the hazards, a line each, and end.")
def hazards(
    only: tuple[str, ...], strategies: tuple[str, ...], results: Path | None, list_them: bool
) -> None:
    """Run every hazard as a small training under every strategy, and say what it did.

    A leak is a result, not a failure: the exit code is 0 if the matrix was measured, and 3 if a
    scenario itself broke.
    """
    if list_them:
        _list()
        return

    from rich.console import Console  # noqa: PLC0415  commands start fast

    from bench.hazards import HazardError, chosen  # noqa: PLC0415  brings torch along
    from bench.report.hazards.terminal import show  # noqa: PLC0415
    from strategies import StrategyError  # noqa: PLC0415

    if results is None and not only and not strategies:
        results = Path("results")
    with told_in_a_sentence(HazardError, StrategyError):
        names = chosen(only)
        folder = None if results is None else _made(results / _FOLDER)
        measured = _measured(names, strategies)
    show(measured, Console())
    if folder is not None:
        _write(folder, measured)
    broken = any("broken" in (cell.outcome.kind, cell.mended.kind) for cell in measured.cells)
    sys.exit(CELL_FAILED if broken else DONE)


def _list() -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from bench.hazards import ROSTER  # noqa: PLC0415  brings torch along

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for scenario in ROSTER.values():
        table.add_row(scenario.name, scenario.told().title)
    Console().print(table)


def _measured(names: list[str], strategies: tuple[str, ...]) -> Hazards:
    import torch  # noqa: PLC0415

    from bench.hazards import ROSTER, measure  # noqa: PLC0415
    from bench.measure.device import Device  # noqa: PLC0415
    from bench.records import Hazards  # noqa: PLC0415
    from bench.run.machine import fingerprint  # noqa: PLC0415
    from strategies import ROSTER as STRATEGIES  # noqa: PLC0415
    from strategies import find  # noqa: PLC0415

    asked = list(dict.fromkeys(strategies or (*STRATEGIES, "requires_grad+eval")))
    began = time.monotonic()
    with watching() as progress:
        cells = measure(names, asked, progress)
    return Hazards(
        machine=fingerprint(Device(torch.device("cpu"))),
        hazards=[ROSTER[name].told() for name in names],
        strategies=[find(spec).name for spec in asked],
        cells=cells,
        seconds=round(time.monotonic() - began, 1),
    )


def _made(folder: Path) -> Path:
    """The folder, made and found writable before anything is measured."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        refuse(
            f"cannot write to {folder}: {(error.strerror or str(error)).lower()}; choose another "
            "folder with --results"
        )
    return folder


def _write(folder: Path, measured: Hazards) -> None:
    from bench.report.hazards import files  # noqa: PLC0415  brings matplotlib along

    with told_in_a_sentence(store.StoreError):
        store.RunFolder(folder).write_all(files(measured))
    click.echo(f"\n{folder}/ holds README.md, hazards.json, hazards.csv and the picture")
