"""`freezebench gate counters`: the gate without noise."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from bench import store
from bench.cli.options import NearChoice, Seconds
from bench.cli.outputs import OutputError, refuse_unwritable, write
from bench.cli.telling import told_in_a_sentence, watching
from bench.exits import CELL_FAILED, DONE, FINDING, INTERRUPTED
from bench.gate.counters.golden import PLACE, GoldenError
from bench.records import Optimizer

if TYPE_CHECKING:
    from bench.gate.counters.comparison import Comparison


@click.command()
@click.option("-w", "--workload", "workloads", multiple=True, metavar="W",
              help="What to train, as for `freezebench run`. Repeatable. If none: all that the golden file "
              "holds, or all built-in workloads for a new one.")  # fmt: skip
@click.option("-s", "--strategy", "strategies", multiple=True, metavar="S",
              help="How to freeze, as for `freezebench run`. Repeatable. If none: all that the golden file "
              "holds, and every other that goes by name where it was written with all.")  # fmt: skip
@click.option("--batch", type=click.IntRange(min=1), help="Samples a step.")
@click.option("--freeze", multiple=True, metavar="PATTERN", help="Freeze these instead of the workload's own.")  # fmt: skip
@click.option("--optimizer", type=NearChoice(get_args(Optimizer)), help="adam for a new golden file.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0, max=2**32 - 1), help="0 for a new golden file.")
@click.option("--steps", type=click.IntRange(min=1), help="Training steps after which drift is read; 5 for a new golden file.")  # fmt: skip
@click.option("--weights", metavar="NAME", help="Weights of torchvision, by its own name for them.")
@click.option("--golden", type=click.Path(path_type=Path, dir_okay=False), default=PLACE, show_default=True,
              help="The file with the counts that were agreed to; commit it.")  # fmt: skip
@click.option("--update", is_flag=True, help="Write what is counted now into the golden file; entries of other versions of torch stay.")  # fmt: skip
@click.option("--format", "form", type=NearChoice(("text", "markdown", "json")), default="text", show_default=True,
              help="markdown for the summary of a CI job, json for machines.")  # fmt: skip
@click.option("--annotate", is_flag=True, help="Workflow commands of GitHub Actions on stderr, which become annotations.")  # fmt: skip
@click.option("--junit", "junit_file", type=click.Path(path_type=Path, dir_okay=False), metavar="PATH", help="Write JUnit XML too, with a test case for each cell.")  # fmt: skip
@click.option("--cell-timeout", type=Seconds(), default=300.0, show_default=True, help="A cell that gives no answer for so long has failed.")  # fmt: skip
def counters(
    workloads: tuple[str, ...],
    strategies: tuple[str, ...],
    golden: Path,
    update: bool,
    form: str,
    annotate: bool,
    junit_file: Path | None,
    cell_timeout: float,
    **settings: Any,
) -> None:
    """Compare counts with a golden file, exactly: no clock, no noise.

    FLOPs, operators, autograd nodes, bytes and verdicts of each cell come out the same on every
    machine with the same torch, so every difference is a change of code, model or torch. With a
    torch that the golden file has no entry of, what must hold on any version is compared.

    Options that are left out are taken from the golden file. Exit code 0: equal; 1: something
    differs, for better or worse; 2: the request is wrong; 3: a cell has failed that the golden
    file has measured.
    """
    from bench.gate.counters.gate import carry_out  # noqa: PLC0415
    from bench.gate.counters.jobs import Asked  # noqa: PLC0415
    from bench.report.gate.counters_ci import counters_annotations, counters_junit  # noqa: PLC0415
    from bench.run import interruption  # noqa: PLC0415
    from bench.run.process import RefusedError  # noqa: PLC0415

    interruption.listen()
    typed = {name: value for name, value in settings.items() if value not in (None, ())}
    asked = Asked(workloads, strategies, typed, cell_timeout)
    try:
        with told_in_a_sentence(RefusedError, GoldenError, store.StoreError, OutputError):
            refuse_unwritable({"--junit": junit_file})
            with watching() as progress:
                comparison = carry_out(asked, golden, progress, update=update)
    except KeyboardInterrupt:
        click.echo("\nInterrupted; the golden file is as it was.", err=True)
        sys.exit(INTERRUPTED)
    click.echo(_told(comparison, form))
    if annotate and not comparison.updated:
        for line in counters_annotations(comparison):
            click.echo(line, err=True)
    if junit_file is not None:
        with told_in_a_sentence(OutputError):
            write(junit_file, counters_junit(comparison))
    sys.exit(_code(comparison))


def _told(comparison: Comparison, form: str) -> str:
    if form == "json":
        from bench.report.gate.counters_json import counters_json  # noqa: PLC0415

        return counters_json(comparison)
    if form == "markdown":
        from bench.report.gate.counters_markdown import counters_markdown  # noqa: PLC0415

        return counters_markdown(comparison)
    from bench.report.gate.counters_text import counters_text  # noqa: PLC0415

    return counters_text(comparison)


def _code(comparison: Comparison) -> int:
    if comparison.updated:
        return DONE
    return {"equal": DONE, "differs": FINDING, "failed": CELL_FAILED}[comparison.outcome]
