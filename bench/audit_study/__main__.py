"""`python -m bench.audit_study`: how often the auditor is wrong."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.audit_study import SEED
from bench.exits import CELL_FAILED, FINDING, INTERRUPTED

if TYPE_CHECKING:
    from bench.audit_study.outcome import Outcome
    from bench.audit_study.score import Line


def _told(line: Line) -> str:
    told = f"{line.rate.count} of {line.rate.of}, {line.rate.text}" if line.rate else "none of none"
    return f"{line.what}: {told}"


@click.command()
@click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="The folder in which audit-study/ is written.",
)
@click.option("--only", multiple=True, metavar="NAME", help="Only this set-up; write no file.")
@click.option("--unseen", is_flag=True, help="Only what was held out; print the rates.")
@click.option("--device", default="cpu", show_default=True, help="On which tensors are made.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, help="How many processes at once.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=SEED,
    show_default=True,
    help="Another: print the rates.",
)
def main(
    results: Path, only: tuple[str, ...], unseen: bool, device: str, jobs: int, seed: int
) -> None:
    """Audit planted faults and clean set-ups, and count what the auditor got wrong.

    Exits with 1 if it got anything wrong.
    """
    import torch  # noqa: PLC0415  takes seconds

    from bench.audit_study.outputs import Document, write  # noqa: PLC0415
    from bench.audit_study.processes import observed  # noqa: PLC0415
    from bench.audit_study.roster import left_out  # noqa: PLC0415
    from bench.audit_study.score import lines  # noqa: PLC0415
    from bench.measure.device import choose  # noqa: PLC0415
    from bench.run import interruption  # noqa: PLC0415
    from bench.run.project import project  # noqa: PLC0415

    names = _chosen(only, unseen=unseen)
    try:
        on = choose(device)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    for name in left_out():
        click.echo(f"{name} is left out: transformers is not installed", err=True)
    document = Document(
        torch=str(torch.__version__).split("+")[0],
        outcomes=[],
        device=on.product(),
        commit=project().commit,
    )
    interruption.listen()
    try:
        for one in observed(names, str(on), jobs, seed):
            if one.outcome is None:
                document.left_out[one.name] = str(one.why_not)
                click.echo(f"{one.name} does not run on {on}: {one.why_not}", err=True)
            else:
                document.outcomes.append(one.outcome)
                _tell(one.outcome, in_full=bool(only))
    except KeyboardInterrupt:
        raise click.exceptions.Exit(INTERRUPTED) from None
    except BrokenProcessPool:
        click.echo("a process was killed, mostly for memory; give fewer --jobs", err=True)
        raise click.exceptions.Exit(CELL_FAILED) from None
    if unseen or seed != SEED:
        click.echo("\n".join(_told(line) for line in lines(document.outcomes)))
    elif not only:
        try:
            for file in write(results, document):
                click.echo(file)
        except OSError as error:
            raise click.UsageError(f"{results} can't be written: {error.strerror}") from error
    if not all(one.faultless for one in document.outcomes):
        raise click.exceptions.Exit(FINDING)


def _tell(outcome: Outcome, *, in_full: bool) -> None:
    from bench.audit_study.report import complaints  # noqa: PLC0415

    for sentence in complaints(outcome):
        click.echo(f"{outcome.name}: {sentence}", err=True)
    if in_full:
        said = ", ".join(finding.id for finding in outcome.findings) or "nothing"
        click.echo(f"{outcome.name}: the audit said {said}")


def _chosen(only: tuple[str, ...], *, unseen: bool) -> list[str]:
    from bench.audit_study.roster import held_out, set_ups  # noqa: PLC0415
    from strategies.suggest import suggest  # noqa: PLC0415

    names = [one.name for one in (held_out() if unseen else set_ups())]
    for name in only:
        if name not in names:
            raise click.UsageError(f"there is no set-up '{name}'; {suggest(name, names)}")
    return [name for name in names if name in only] if only else names


if __name__ == "__main__":
    main(prog_name="python -m bench.audit_study")
