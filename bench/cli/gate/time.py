"""`freezebench gate time`: base against head, in turns on one machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from bench.cli.gate.options import exit_code, margins, markdown_option, strict_option
from bench.cli.options import NearChoice, Seconds, picture
from bench.cli.outputs import OutputError, append, refuse_unwritable, write
from bench.cli.telling import told_in_a_sentence
from bench.exits import CELL_FAILED, INTERRUPTED, WRONG_REQUEST
from bench.gate.time.record import Terms
from bench.records import Dtype, Optimizer, Request

if TYPE_CHECKING:
    from bench.gate.time.gate import Asked
    from bench.gate.time.record import Gate


@click.command("time")
@click.option("--base", required=True, metavar="REF", help="What to compare with: a revision such as origin/main, or a folder.")  # fmt: skip
@click.option("--head", default=".", show_default=True, metavar="REF", help="What has changed: a revision, or a folder with changes that need not be committed.")  # fmt: skip
@click.option("--base-python", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE", help="The base's own interpreter, for another torch or another installation.")  # fmt: skip
@click.option("--head-python", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE", help="Likewise for the head.")  # fmt: skip
@click.option("-w", "--workload", "workloads", multiple=True, metavar="W", help="What to train, as for `freezebench run`; seen from the same folder in both checkouts. Repeatable; policy if none.")  # fmt: skip
@click.option("-s", "--strategy", "strategies", multiple=True, metavar="S", help="How to freeze, as for `freezebench run`. Repeatable; requires_grad if none.")  # fmt: skip
@click.option("-d", "--device", default="cpu", show_default=True, help="cpu, cuda, cuda:N, another accelerator of torch, or auto.")  # fmt: skip
@click.option("--dtype", type=NearChoice(get_args(Dtype)), default="float32", show_default=True)
@click.option(
    "--optimizer", type=NearChoice(get_args(Optimizer)), default="adam", show_default=True
)
@click.option("--batch", type=click.IntRange(min=1), help="Samples a step; the workload's own if not given.")  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of torch. With one, processor time can be judged, which a neighbour hardly changes.")  # fmt: skip
@click.option("--freeze", multiple=True, metavar="PATTERN", help="Freeze these instead of the workload's own. Repeatable.")  # fmt: skip
@click.option("--weights", metavar="NAME", help="Weights of torchvision, by its own name for them.")
@click.option("--seed", type=click.IntRange(min=0, max=2**32 - 1), default=0, show_default=True)
@click.option("--compile", "compile_model", is_flag=True, help="Compile the model.")
@click.option("--channels-last", is_flag=True, help="Channels-last memory format.")
@click.option("--cell-timeout", type=Seconds(), default=300.0, show_default=True, help="A cell that gives no answer for so long has failed.")  # fmt: skip
@margins(f"a phase of {Terms().least_share:.0%} of the step or more")
@click.option("--budget", type=Seconds(), default=150.0, show_default=True, help="Seconds after which it can't tell; a FAIL that is being confirmed may take longer.")  # fmt: skip
@strict_option
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the whole record, with every turn.")  # fmt: skip
@markdown_option
@click.option("--junit", "junit_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write JUnit XML; what it can't tell is `skipped` there.")  # fmt: skip
@click.option("--plot", "plot_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", callback=picture, help="Write a plot, .png or .svg.")  # fmt: skip
@click.option("--annotate", is_flag=True, help="Workflow commands of GitHub Actions on stderr, which become annotations.")  # fmt: skip
def time_(
    base: str,
    head: str,
    base_python: Path | None,
    head_python: Path | None,
    margin: float,
    phase_margin: float,
    strict: bool,
    json_file: Path | None,
    markdown_file: Path | None,
    junit_file: Path | None,
    plot_file: Path | None,
    annotate: bool,
    **settings: Any,
) -> None:
    """Did a step become slower? Base and head take turns on this machine.

    Both train in fresh processes, several times over, beside two controls: the base once more,
    which must not look different, and the base with a known slow-down, which must. It stops as
    soon as it knows. Nothing of the repository is touched.

    Exit code 0: PASS; 1: FAIL, confirmed by fresh processes; 4: CAN'T TELL; 2: the request is
    wrong, or the base cannot run; 3: the head cannot run.
    """
    from bench.gate.time.gate import Asked  # noqa: PLC0415
    from bench.run import interruption  # noqa: PLC0415

    interruption.listen()
    asked = Asked(
        base=base,
        head=head,
        base_python=_interpreter(base_python),
        head_python=_interpreter(head_python),
        request=_request(settings, margin),
        terms=_terms(margin, phase_margin, settings["budget"]),
        here=Path.cwd(),
    )
    files = {"--json": json_file, "--junit": junit_file, "--plot": plot_file}
    try:
        with told_in_a_sentence(OutputError):
            refuse_unwritable({**files, "--markdown": markdown_file})
        found = _measured(asked)
    except KeyboardInterrupt:
        click.echo("\nInterrupted; nothing is said about the head.", err=True)
        sys.exit(INTERRUPTED)
    try:
        _tell(found, files, markdown_file, annotate=annotate)
    except KeyboardInterrupt:
        click.echo("\nInterrupted; not everything was written.", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(exit_code(found.answer, strict=strict))


def _interpreter(python: Path | None) -> Path:
    """As it was named: a link to an interpreter is what makes a virtual environment."""
    return Path(sys.executable) if python is None else python.absolute()


def _request(settings: dict[str, Any], margin: float) -> Request:
    chosen = {**settings, "compile": settings["compile_model"]}
    del chosen["compile_model"]
    chosen["workloads"] = chosen["workloads"] or ("policy",)
    chosen["strategies"] = chosen["strategies"] or ("requires_grad",)
    return Request(steps=1, precision=margin, **chosen)


def _terms(margin: float, phase_margin: float, budget: float) -> Terms:
    """With a control that is slow enough to be told from the margins, however wide they are."""
    slow_down = max(Terms().slow_down, 2 * margin, 2 * phase_margin)
    return Terms(margin=margin, phase_margin=phase_margin, budget=budget, slow_down=slow_down)


def _measured(asked: Asked) -> Gate:
    from bench.gate.time.checkout import CheckoutError  # noqa: PLC0415
    from bench.gate.time.comparison import BudgetError  # noqa: PLC0415
    from bench.gate.time.gate import gate  # noqa: PLC0415
    from bench.gate.time.sides import SideError  # noqa: PLC0415
    from bench.gate.time.trial import SideFailedError  # noqa: PLC0415
    from bench.report.progress import telling  # noqa: PLC0415

    try:
        with (
            told_in_a_sentence(CheckoutError, BudgetError),
            telling(asked.terms.budget) as told,
        ):
            return gate(asked, told=told)
    except SideFailedError as error:
        click.echo(f"freezebench: {error}", err=True)
        sys.exit(CELL_FAILED if error.label == "head" else WRONG_REQUEST)
    except SideError as error:
        click.echo(f"freezebench: {error}", err=True)
        sys.exit(CELL_FAILED if error.head_alone else WRONG_REQUEST)


def _tell(
    found: Gate, files: dict[str, Path | None], markdown_file: Path | None, *, annotate: bool
) -> None:
    """The answer on the terminal, then wherever else it was asked for; the plot last."""
    from rich.console import Console  # noqa: PLC0415

    from bench.report.gate.time_annotations import time_annotations  # noqa: PLC0415
    from bench.report.gate.time_markdown import time_markdown  # noqa: PLC0415
    from bench.report.gate.time_text import show  # noqa: PLC0415

    show(found, Console())
    if annotate:
        for line in time_annotations(found):
            click.echo(line, err=True)
    with told_in_a_sentence(OutputError):
        if markdown_file is not None:
            append(markdown_file, time_markdown(found))
        for option, file in files.items():
            if file is not None:
                write(file, _form(option, found, file))


def _form(option: str, found: Gate, file: Path) -> bytes:
    if option == "--json":
        import msgspec  # noqa: PLC0415

        return msgspec.json.encode(found)
    if option == "--junit":
        from bench.report.gate.time_junit import time_junit  # noqa: PLC0415

        return time_junit(found)
    from bench.report.gate.time_plot import draw  # noqa: PLC0415
    from bench.report.look import render  # noqa: PLC0415

    return render(draw(found), "svg" if file.suffix.lower() == ".svg" else "png")
