"""`freezebench gate recipe`: continuous integration, to copy."""

from __future__ import annotations

from importlib import resources

import click

from bench.cli.options import NearChoice

SUFFIX = ".yml"
FILES = resources.files("bench.recipes")
NAMES = sorted(
    file.name.removesuffix(SUFFIX) for file in FILES.iterdir() if file.name.endswith(SUFFIX)
)


@click.command()
@click.argument("name", type=NearChoice(NAMES))
def recipe(name: str) -> None:
    """Print a recipe for continuous integration.

    github compares counters and time on every pull request, github-gpu the time on a runner of your
    own, gitlab is the first for GitLab. Each says at its top what it expects:

    \b
        freezebench gate recipe github > .github/workflows/freezebench.yml
    """  # noqa: D301  click wants the control character: lines below it stay as they are
    click.echo((FILES / (name + SUFFIX)).read_text(encoding="utf-8"), nl=False)
