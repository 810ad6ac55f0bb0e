"""`freezebench run`: compare freezing strategies."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

import click
from msgspec.structs import replace

from bench import store
from bench.cli.options import NearChoice, Precision, Seconds, typed
from bench.cli.telling import show, told_in_a_sentence, watching
from bench.exits import CELL_FAILED, DONE, INTERRUPTED
from bench.records import Dtype, Optimizer, Request

BUDGET, LARGER_BUDGET = 90.0, 300.0
"""Seconds. On an H100, 150 s for four workloads left a ViT-B/16 with one life and no interval."""


@click.command()
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
@click.option("--budget", type=Seconds(), show_default="90 on cpu, 300 elsewhere, where workloads are larger",
              help="Stop measuring after so many seconds; timing gets half of them at least, however long the survey took.")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), default=5, show_default=True,
              help="Training steps after which drift is read.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0, max=2**32 - 1), default=0, show_default=True)
@click.option("--compile", "compile_model", is_flag=True, help="Compile the model.")
@click.option("--channels-last", is_flag=True, help="Channels-last memory format.")
@click.option("--energy", is_flag=True,
              help="Also measure joules a step, one cell after the other: some 4 seconds each.")  # fmt: skip
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
        with told_in_a_sentence(RefusedError, store.StoreError):
            with watching() as progress:
                if resume is not None:
                    folder, before = store.load(resume)
                    before = replace(before, request=_renewed(context, before.request, asked))
                    carry_out = session.resume(folder, before, progress)
                else:
                    request = Request(compile=compile_model, **_with_budget(asked))
                    folder, carry_out = session.begin(request, results, progress)
                finished = carry_out()
            show(finished, folder)
    except KeyboardInterrupt:
        _say_how_to_go_on(folder)
        sys.exit(INTERRUPTED)
    finally:
        if folder is not None:
            folder.unlock()
    failed = any(cell.verdict == "failed" for cell in finished.cells)
    sys.exit(CELL_FAILED if failed else DONE)


def _with_budget(asked: dict[str, Any]) -> dict[str, Any]:
    """What was asked for, with the device's own budget where none was given."""
    usual = BUDGET if asked["device"] == "cpu" else LARGER_BUDGET
    return {**asked, "budget": usual if asked["budget"] is None else asked["budget"]}


def _renewed(context: click.Context, request: Request, asked: dict[str, Any]) -> Request:
    """The request of a run, with what may change on resuming; anything else typed is refused."""
    given = typed(context, *context.params)
    may_change = {"precision", "budget", "cell_timeout"}
    if others := given - may_change - {"resume"}:
        names = sorted(p.opts[-1] for p in context.command.params if p.name in others)
        raise store.StoreError(
            "--resume goes on with the run's own request, in its own folder, so "
            f"{', '.join(names)} cannot be given with it"
        )
    return replace(request, **{name: asked[name] for name in given & may_change})


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
