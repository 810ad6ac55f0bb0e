"""`freezebench gate`: did this change cost anything?"""

from __future__ import annotations

import click

from bench.cli.gate.counters import counters
from bench.cli.gate.recipe import recipe
from bench.cli.gate.results import results
from bench.cli.gate.time import time_


@click.group()
def gate() -> None:
    """Did this change cost anything? By counters, by time, or from stored results."""


gate.add_command(counters)
gate.add_command(time_)
gate.add_command(results)
gate.add_command(recipe)
