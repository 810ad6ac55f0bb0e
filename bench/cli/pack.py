"""`freezebench pack`: runs as one file that travels."""

from __future__ import annotations

from pathlib import Path

import click

from bench import store
from bench.cli.outputs import OutputError, refuse_unwritable
from bench.cli.telling import refuse, told_in_a_sentence


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="FILE",
              help="The pack to write, such as results.zip.")  # fmt: skip
@click.option("--force", is_flag=True, help="Write it even if there is such a file.")
def pack(runs: tuple[Path, ...], output: Path, force: bool) -> None:
    """Pack finished runs into one file, for `freezebench merge` elsewhere.

    RUN is the folder of a run, its run.json, or a results folder, which means all runs in it. A run
    that is not done, was made up, or disagrees with itself is refused.
    """
    from bench.collection.find import FindError, find_runs  # noqa: PLC0415  commands start fast
    from bench.collection.pack import PackError, pack  # noqa: PLC0415  likewise

    with told_in_a_sentence(OutputError):
        refuse_unwritable({"--output": output})
    if output.exists() and not force:
        refuse(f"{output} is there already; name another file, or add --force to replace it")
    with told_in_a_sentence(FindError, PackError, store.StoreError):
        packed = pack(find_runs(runs))
        store.RunFolder(output.parent).write(output.name, packed.content)
    for note in packed.notes:
        click.echo(f"note: {note}", err=True)
    for place in packed.places:
        click.echo(f"packed {place}")
    click.echo(f"{output} holds {len(packed.places)} run{'s' * (len(packed.places) != 1)}, "
               f"{len(packed.content):,} bytes")  # fmt: skip
