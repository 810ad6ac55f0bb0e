"""What the gates that answer PASS, FAIL or CAN'T TELL are asked alike."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bench.exits import CANT_TELL, DONE, FINDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.gate.time.record import Answer

Decorated = TypeVar("Decorated", bound="Callable[..., Any] | click.Command")


class Margin(click.ParamType[float]):
    """How much slower is allowed, such as `3%` or `0.03`; 0 or more."""

    name = "percent"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The margin as a fraction."""
        text = str(value).strip()
        try:
            margin = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            self.fail(f"{value!r} is no margin; write 3% or 0.03", param, ctx)
        if not math.isfinite(margin) or not 0 <= margin < 1:
            self.fail(
                f"{value} is no margin; write one from 0% to below 100%, with its sign, such as "
                "3%, or as a fraction, such as 0.03",
                param,
                ctx,
            )
        return margin


def margins(phases: str) -> Callable[[Decorated], Decorated]:
    """`--margin` and `--phase-margin`, where the latter is for these phases."""

    def add(function: Decorated) -> Decorated:
        for option in (
            click.option("--phase-margin", type=Margin(), default="5%", show_default=True,
                         help=f"How much slower {phases} may be."),
            click.option("--margin", type=Margin(), default="3%", show_default=True,
                         help="How much slower the whole step may be."),
        ):  # fmt: skip
            function = option(function)
        return function

    return add


strict_option = click.option("--strict", is_flag=True, help="Exit 1 instead of 4 when it can't tell.")  # fmt: skip

markdown_option = click.option(
    "--markdown", "markdown_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Append the answer as Markdown too, for the summary of a CI job.",
)  # fmt: skip


def exit_code(answer: Answer, *, strict: bool) -> int:
    """0, 1 or 4, as the answer is; `strict` makes 1 of 4."""
    if answer == "CAN'T TELL":
        return FINDING if strict else CANT_TELL
    return DONE if answer == "PASS" else FINDING
