"""The door: parse what was typed, wire the rooms, choose the exit code.

Exit codes: 0 done, 1 a finding, 2 the request is wrong, 3 a cell failed, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, get_args

import click
from msgspec.structs import replace

from bench import __version__, store
from bench.options import NearChoice, Precision, Seconds
from bench.records import Dtype, Optimizer, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Run
    from bench.run.progress import Progress

DONE, WRONG_REQUEST, CELL_FAILED, INTERRUPTED = 0, 2, 3, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="freezebench")
def main() -> None:
    """What did each way of freezing part of a model cost, and did it stay frozen?"""


@main.command()
@click.option("-w", "--workload", "workloads", multiple=True, metavar="W",
              help="What to train: a name of `freezebench list workloads`, torchvision:NAME, "
              "path/to/file.py:factory or package.module:factory. Repeatable.")  # fmt: skip
@click.option("-s", "--strategy", "strategies", multiple=True, metavar="S",
              help="How to freeze: a name of `freezebench list strategies`, with +eval to hold the "
              "frozen part in eval mode, or path/to/file.py:Class. Repeatable; all if none.")  # fmt: skip
@click.option("-d", "--device", default="cpu", show_default=True,
              help="cpu, cuda, cuda:N, another accelerator of torch, or auto.")  # fmt: skip
@click.option("--dtype", type=NearChoice(get_args(Dtype)), default="float32", show_default=True,
              help="Below float32 by autocast; float16 with a loss scale.")  # fmt: skip
@click.option(
    "--optimizer", type=NearChoice(get_args(Optimizer)), default="adam", show_default=True
)
@click.option("--batch", type=click.IntRange(min=1), help="Samples a step; the workload's own if not given.")  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1), help="Threads of torch; the physical cores if not given.")  # fmt: skip
@click.option("--freeze", multiple=True, metavar="PATTERN",
              help="Freeze these modules or parameters instead of the workload's own: shell "
              "patterns on names, `!` excludes. Repeatable.")  # fmt: skip
@click.option("--weights", metavar="NAME", help="Weights of torchvision, by its own name for them.")
@click.option("--precision", type=Precision(), default="5%", show_default=True,
              help="Stop when the ratios of backward and total to `full` are known this well.")  # fmt: skip
@click.option("--budget", type=Seconds(), default=90.0, show_default=True,
              help="Stop measuring after so many seconds; at least half of them go into timing.")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), default=5, show_default=True,
              help="Training steps after which drift is read.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0, max=2**32 - 1), default=0, show_default=True)
@click.option("--compile", "compile_model", is_flag=True, help="Compile the model.")
@click.option("--channels-last", is_flag=True, help="Channels-last memory format.")
@click.option("--cell-timeout", type=Seconds(), default=300.0, show_default=True,
              help="A cell that gives no answer for so long has failed.")  # fmt: skip
@click.option("--results", type=click.Path(path_type=Path, file_okay=False), default="results",
              show_default=True, help="Where the run is written: RESULTS/<machine>/<run>/.")  # fmt: skip
@click.option("--resume", type=click.Path(path_type=Path), metavar="RUN",
              help="Go on with a run that was interrupted; --precision and --budget may be new.")  # fmt: skip
@click.pass_context
def run(
    context: click.Context,
    /,
    results: Path,
    resume: Path | None,
    compile_model: bool,
    **asked: Any,
) -> None:
    """Compare freezing strategies on real training, and write tables and plots."""
    from bench.run import interruption, session  # noqa: PLC0415
    from bench.run.process import RefusedError  # noqa: PLC0415

    interruption.listen()
    folder: store.RunFolder | None = None
    try:
        with _told_in_a_sentence(RefusedError, store.StoreError):
            with _watching() as progress:
                if resume is not None:
                    folder, before = store.load(resume)
                    before = replace(before, request=_renewed(context, before.request, asked))
                    carry_out = session.resume(folder, before, progress)
                else:
                    request = Request(compile=compile_model, **asked)
                    folder, carry_out = session.begin(request, results, progress)
                finished = carry_out()
            _show(finished, folder)
    except KeyboardInterrupt:
        _say_how_to_go_on(folder)
        sys.exit(INTERRUPTED)
    failed = any(cell.verdict == "failed" for cell in finished.cells)
    sys.exit(CELL_FAILED if failed else DONE)


@main.command("list")
@click.argument("kind", type=NearChoice(("strategies", "workloads")), required=False)
def list_(kind: str | None) -> None:
    """Name the strategies and workloads there are, a sentence each."""
    from bench.listing import strategies_table, workloads_table  # noqa: PLC0415
    from strategies import StrategyError  # noqa: PLC0415

    with _told_in_a_sentence(StrategyError):
        if kind != "workloads":
            strategies_table()
        if kind != "strategies":
            workloads_table()


@main.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
def report(runs: tuple[Path, ...]) -> None:
    """Make table and plots of a run again, from its run.json."""
    with _told_in_a_sentence(store.StoreError):
        for path in runs:
            folder, record = store.load(path)
            _show(record, folder)


def _renewed(context: click.Context, request: Request, asked: dict[str, Any]) -> Request:
    """The request of a run, with what may change on resuming; anything else typed is refused."""
    typed = {
        name
        for name in context.params
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    may_change = {"precision", "budget", "cell_timeout"}
    if others := typed - may_change - {"resume"}:
        names = sorted(p.opts[-1] for p in context.command.params if p.name in others)
        raise store.StoreError(
            "--resume goes on with the run's own request, in its own folder, so "
            f"{', '.join(names)} cannot be given with it"
        )
    return replace(request, **{name: asked[name] for name in typed & may_change})


def _say_how_to_go_on(folder: store.RunFolder | None) -> None:
    if folder is None:
        click.echo("\nInterrupted before anything was measured.", err=True)
    else:
        click.echo(
            "\nInterrupted; what was measured is kept. Go on with:\n"
            f"  freezebench run --resume {folder.path}\n"
            f"or see what there is with:\n  freezebench report {folder.path}",
            err=True,
        )


def _show(run: Run, folder: store.RunFolder) -> None:
    from rich.console import Console  # noqa: PLC0415

    from bench.report import files  # noqa: PLC0415
    from bench.report.terminal import show  # noqa: PLC0415

    show(run, Console())
    folder.write_all(files(run))
    click.echo(f"\n{folder.path}/ holds run.json, table.md, table.csv and the plots")


@contextlib.contextmanager
def _watching() -> Iterator[Progress]:
    from bench.report.progress import watching  # noqa: PLC0415

    with watching() as progress:
        yield progress


@contextlib.contextmanager
def _told_in_a_sentence(*mistakes: type[Exception]) -> Iterator[None]:
    try:
        yield
    except mistakes as error:
        _refuse(str(error))


def _refuse(sentence: str) -> NoReturn:
    click.echo(f"freezebench: {sentence}", err=True)
    sys.exit(WRONG_REQUEST)
