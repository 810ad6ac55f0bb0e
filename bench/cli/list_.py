"""`freezebench list`: what there is."""

from __future__ import annotations

import click

from bench.cli.options import NearChoice
from bench.cli.telling import told_in_a_sentence


@click.command("list")
@click.argument("kind", type=NearChoice(("strategies", "workloads")), required=False)
def list_(kind: str | None) -> None:
    """Name the strategies and workloads there are, a sentence each."""
    from bench.cli.listing import strategies_table, workloads_table  # noqa: PLC0415
    from strategies import StrategyError  # noqa: PLC0415

    with told_in_a_sentence(StrategyError):
        if kind != "workloads":
            strategies_table()
        if kind != "strategies":
            workloads_table()
