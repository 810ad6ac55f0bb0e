"""`freezebench gate`: did this change cost anything?"""

from __future__ import annotations

import click


@click.group()
def gate() -> None:
    """Did this change cost anything? By counters, by time, or from stored results."""
