"""`freezebench export`: a run in the form that another tool reads."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bench import store
from bench.cli.options import NearChoice
from bench.cli.telling import refuse, told_in_a_sentence
from bench.export import FORMATS, ExportError
from bench.export import export as exported


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-f", "--format", "form", type=NearChoice(tuple(FORMATS)), required=True,
              help="; ".join(f"{name}: {form.says}" for name, form in FORMATS.items()) + ".")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where to write; standard output if not given.")  # fmt: skip
def export(run: Path, form: str, output: Path | None) -> None:
    """Write a stored run in the form that another tool reads.

    RUN is the folder of a run, or its run.json.
    """
    if output is None and not FORMATS[form].is_text and sys.stdout.isatty():
        refuse(f"{form} is binary, and no terminal can show it; give --output FILE, or pipe it")
    if output is not None and output.exists() and not output.is_file():
        refuse(f"{output} is no file; leave --output out to write to standard output")
    with told_in_a_sentence(store.StoreError, ExportError):
        _, record = store.load(run)
        content = exported(record, form)
        if output is not None:
            store.RunFolder(output.parent).write(output.name, content)
            return
    click.echo(content, nl=False)
