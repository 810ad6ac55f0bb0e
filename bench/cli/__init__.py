"""The door: parse what was typed, wire the rooms, choose the exit code.

Exit codes: 0 done, 1 a finding, 2 the request is wrong, 3 a cell failed, 4 a gate can't tell, 130
interrupted.
"""

from __future__ import annotations

from typing import Any

import click

from bench import __version__
from bench.cli.audit import audit
from bench.cli.claims import claims
from bench.cli.collection import collection
from bench.cli.compare import compare
from bench.cli.export import export
from bench.cli.gate import gate
from bench.cli.hazards import hazards
from bench.cli.history import history
from bench.cli.list_ import list_
from bench.cli.merge import merge
from bench.cli.pack import pack
from bench.cli.page import page
from bench.cli.report import report
from bench.cli.run import run
from bench.cli.serve import serve
from bench.exits import INTERRUPTED


class Door(click.Group):
    """Commands that Ctrl-C ends with the exit code of an interruption, however early it comes."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was typed."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("\nInterrupted.", err=True)
            ctx.exit(INTERRUPTED)


@click.group(cls=Door, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="freezebench")
def main() -> None:
    """What did each way of freezing part of a model cost, and did it stay frozen?"""


for command in (
    run,
    list_,
    report,
    compare,
    history,
    page,
    serve,
    pack,
    merge,
    collection,
    export,
    gate,
    hazards,
    audit,
    claims,
):
    main.add_command(command)
