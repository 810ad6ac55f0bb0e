"""What commands that compare runs have in common: which runs, by what, and what may differ."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from bench import store
from bench.cli.options import NearChoice
from bench.cli.telling import refuse, told_in_a_sentence, watching
from bench.collection.asked import NAMES, Asked, UnknownNameError, setting
from bench.collection.settings import AXES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bench.collection.compared import Comparison
    from bench.collection.gathering import Gathered

    Command = Callable[..., Any]


class Only(click.ParamType[tuple[str, str]]):
    """`SETTING=VALUE`, where a workload or a strategy is named likewise."""

    name = "setting=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """The setting as it is called inside, and the value as it was typed."""
        name, equals, wanted = str(value).partition("=")
        if not equals:
            self.fail(
                f"{value!r} has no value; write SETTING=VALUE, as in dtype=float32", param, ctx
            )
        try:
            return setting(name, NAMES), wanted
        except UnknownNameError as error:
            self.fail(_suggested(error), param, ctx)


class Setting(click.ParamType[str]):
    """The name of a setting that may differ."""

    name = "setting"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The setting as it is called inside."""
        try:
            return setting(str(value))
        except UnknownNameError as error:
            self.fail(_suggested(error), param, ctx)


def comparing(command: Command) -> Command:
    """Options that say what is compared; the command gets them as `asked`."""

    @click.option("--by", type=NearChoice(tuple(AXES)), default="gpu", show_default=True,
                  help="What tells the columns apart; gpu is the accelerator, or the processor of "
                  "a run on that, and machine is the same.")  # fmt: skip
    @click.option("--only", multiple=True, type=Only(), metavar="SETTING=VALUE",
                  help="Keep the runs alone that have it; a workload or a strategy is named "
                  "likewise. Repeatable: one setting twice keeps either value.")  # fmt: skip
    @click.option("--allow", multiple=True, type=Setting(), metavar="SETTING",
                  help="Let it differ: its value becomes part of a column's label. Repeatable.")  # fmt: skip
    @wraps(command)
    def asking(
        *arguments: Any,
        by: str,
        only: tuple[tuple[str, str], ...],
        allow: tuple[str, ...],
        **options: Any,
    ) -> Any:
        return command(*arguments, asked=Asked(AXES[by], only, frozenset(allow)), **options)

    return asking


def option_of(axis: str) -> str:
    """An axis as --by takes it."""
    return next(name for name, inside in AXES.items() if inside == axis)


def gathered(runs: Sequence[Path]) -> Gathered:
    """The runs in `runs`, with progress where many are read for the first time."""
    from bench.collection.gathering import CollectionError, gather  # noqa: PLC0415  commands start fast

    with told_in_a_sentence(CollectionError, store.StoreError), watching() as progress:

        def told(done: int, total: int) -> None:
            if done == 1:
                progress.begin("reading runs", total)
            progress.advance(1)

        return gather(runs, told)


def with_doubts(comparisons: Sequence[Comparison], found: Gathered) -> list[Comparison]:
    """The comparisons, each with a note for those of its runs that disagree with themselves."""
    from bench.collection.doubts import doubts, standing_in  # noqa: PLC0415  commands start fast

    told = doubts(found.entries, comparisons)
    return [
        replace(each, notes=[*each.notes, *(told[r] for r in standing_in(each) if r in told)])
        for each in comparisons
    ]


@contextlib.contextmanager
def refused_in_a_sentence() -> Iterator[None]:
    """What may not lie side by side, and a name that there is not with what was probably meant."""
    from bench.collection.gathering import CollectionError  # noqa: PLC0415  commands start fast

    try:
        with told_in_a_sentence(CollectionError, store.StoreError):
            yield
    except UnknownNameError as error:
        refuse(_suggested(error))


def _suggested(error: UnknownNameError) -> str:
    from strategies.suggest import suggest  # noqa: PLC0415  brings torch along

    return f"{error}; {suggest(error.name, error.known)}"
