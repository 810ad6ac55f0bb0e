"""`python -m bench.audit_study`: how often the auditor is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bench.audit_study.score import Line

INTERRUPTED = 130


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
def main(results: Path, only: tuple[str, ...], unseen: bool) -> None:
    """Audit planted faults and clean set-ups, and count what the auditor got wrong.

    Exits with 1 if it got anything wrong.
    """
    import torch  # noqa: PLC0415  takes seconds

    from bench.audit_study.observe import observe  # noqa: PLC0415
    from bench.audit_study.outputs import write  # noqa: PLC0415
    from bench.audit_study.report import complaints  # noqa: PLC0415
    from bench.audit_study.roster import held_out, left_out, set_ups  # noqa: PLC0415
    from bench.audit_study.score import lines  # noqa: PLC0415
    from strategies.suggest import suggest  # noqa: PLC0415

    chosen = held_out() if unseen else set_ups()
    if only:
        names = [one.name for one in chosen]
        for name in only:
            if name not in names:
                raise click.UsageError(f"there is no set-up '{name}'; {suggest(name, names)}")
        chosen = tuple(one for one in chosen if one.name in only)
    for name in left_out():
        click.echo(f"{name} is left out: transformers is not installed", err=True)
    torch.set_num_threads(1)  # tiny models: more threads would only wait for each other
    outcomes = []
    for one in chosen:
        try:
            outcomes.append(observe(one))
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None
        for sentence in complaints(outcomes[-1]):
            click.echo(f"{one.name}: {sentence}", err=True)
    if unseen:
        click.echo("\n".join(_told(line) for line in lines(outcomes)))
    elif not only:
        try:
            for file in write(results, outcomes, str(torch.__version__).split("+")[0]):
                click.echo(file)
        except OSError as error:
            raise click.UsageError(f"{results} can't be written: {error.strerror}") from error
    if not all(one.faultless for one in outcomes):
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    main(prog_name="python -m bench.audit_study")
