"""`python -m bench.study`: how often the time gate is wrong."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.run import interruption
from bench.study.findings import Settings
from bench.study.scenarios import GATES, TRACES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.study.scenarios import Scenario

RESULTS = Path("results/gate-study")

_results = click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=RESULTS,
    show_default=True,
    help="Where traces, gates and the report are.",
)


@click.group()
def main() -> None:
    """Study the error rates of `freezebench gate time`."""
    interruption.listen()  # so that a cancelled study leaves no neighbour and no checkout behind


_neighbours = click.option(
    "--neighbours",
    type=click.IntRange(min=0),
    multiple=True,
    metavar="N",
    help="Only scenarios beside so many workers of stress-ng. Repeatable; all if none.",
)


@main.command()
@_results
@_neighbours
def collect(results: Path, neighbours: tuple[int, ...]) -> None:
    """Live many lives of each scenario; what is there already is kept."""
    from bench.study.collect import collect, request  # noqa: PLC0415
    from bench.study.outputs import trace_file  # noqa: PLC0415
    from bench.study.record import write  # noqa: PLC0415

    for scenario in TRACES:
        file = trace_file(results, scenario.name)
        if not file.exists() and _wanted(scenario, neighbours):
            with _told_in_a_sentence():
                write(file, collect(scenario, request(), click.echo))


@main.command()
@_results
@_neighbours
def gates(results: Path, neighbours: tuple[int, ...]) -> None:
    """Run real gates on each scenario; those that were run are kept."""
    from bench.study.collect import request  # noqa: PLC0415
    from bench.study.outputs import gates_in, shares_in, write_gates  # noqa: PLC0415
    from bench.study.real import real_gate  # noqa: PLC0415

    done = gates_in(results)
    for repeated in GATES:
        scenario, margin = repeated.scenario, repeated.margin
        if not _wanted(scenario, neighbours):
            continue
        have = sum(gate.scenario == scenario.name and gate.margin == margin for gate in done)
        for _ in range(have, repeated.times):
            with _told_in_a_sentence():
                shares = shares_in(results)
                done.append(
                    real_gate(scenario, request(), margin, shares, len(done) + 1, click.echo)
                )
            write_gates(results, done)


def _wanted(scenario: Scenario, neighbours: tuple[int, ...]) -> bool:
    return not neighbours or scenario.neighbours in neighbours


@contextlib.contextmanager
def _told_in_a_sentence() -> Iterator[None]:
    from bench.gate.time.checkout import CheckoutError  # noqa: PLC0415
    from bench.gate.time.comparison import BudgetError  # noqa: PLC0415
    from bench.gate.time.sides import SideError  # noqa: PLC0415
    from bench.gate.time.trial import SideFailedError  # noqa: PLC0415
    from bench.study.neighbours import NoNeighbourError  # noqa: PLC0415
    from bench.study.outputs import NothingKeptError  # noqa: PLC0415
    from bench.study.planted import NoSuchLineError  # noqa: PLC0415

    try:
        yield
    except (
        CheckoutError,
        SideError,
        SideFailedError,
        NoNeighbourError,
        NothingKeptError,
        BudgetError,
        NoSuchLineError,
    ) as error:
        raise click.UsageError(str(error)) from error


@main.command()
@_results
@click.option(
    "--gates",
    type=click.IntRange(min=1),
    default=Settings.gates,
    show_default=True,
    help="Gates drawn for each trace and margin.",
)
@click.option("--seed", type=click.IntRange(min=0), default=Settings.seed, show_default=True)
@click.option(
    "--renewal",
    type=click.FloatRange(min=0),
    default=Settings.renewal,
    show_default=True,
    help="Seconds that a drawn gate takes for fresh processes.",
)
def analyse(results: Path, gates: int, seed: int, renewal: float) -> None:
    """Write README.md, rates.csv and plots from what was collected."""
    from bench.study import outputs  # noqa: PLC0415  matplotlib is slow to load

    settings = Settings(gates, seed, renewal)
    with _told_in_a_sentence():
        files = outputs.analyse(results, settings, lambda text: click.echo(text, err=True))
    for file in files:
        click.echo(file)


if __name__ == "__main__":
    main(prog_name="python -m bench.study")
