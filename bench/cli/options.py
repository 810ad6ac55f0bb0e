"""Command-line values of this project: a choice with near matches, a relative precision."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pathlib import Path

PICTURES = (".png", ".svg")


class NearChoice(click.Choice[str]):
    """A choice whose refusal names what was probably meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value, if it is one of the choices."""
        if value not in self.choices:
            from strategies.suggest import suggest  # noqa: PLC0415  brings torch along

            known = [str(choice) for choice in self.choices]
            self.fail(f"there is no {value!r}; {suggest(str(value), known)}", param, ctx)
        return str(value)


class Precision(click.ParamType[float]):
    """A relative width such as `5%` or `0.05`; greater than 0 and less than 1."""

    name = "percent"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The width as a fraction."""
        text = str(value).strip()
        try:
            width = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            self.fail(f"{value!r} is no precision; write 5% or 0.05", param, ctx)
        if not math.isfinite(width) or not 0 < width < 1:
            self.fail(
                f"{value} is no precision that can be reached; write one above 0% and below "
                "100%, with its sign, such as 5%, or as a fraction, such as 0.05",
                param,
                ctx,
            )
        return width


class Seconds(click.ParamType[float]):
    """A positive, finite number of seconds."""

    name = "seconds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number."""
        try:
            seconds = float(value)
        except (TypeError, ValueError):
            self.fail(f"{value!r} is no number of seconds", param, ctx)
        if not math.isfinite(seconds) or seconds <= 0:
            self.fail(f"{value} s is no time to measure in; write more than 0", param, ctx)
        return seconds


def picture(_context: click.Context, _option: click.Parameter, file: Path | None) -> Path | None:
    """A file whose name says which kind of picture is wanted."""
    if file is not None and file.suffix.lower() not in PICTURES:
        raise click.BadParameter(f"{file} names no kind of picture; end it in .png or .svg")
    return file


def typed(context: click.Context, *names: str) -> set[str]:
    """Which of these options were given, rather than left at their default."""
    given = click.core.ParameterSource.COMMANDLINE
    return {name for name in names if context.get_parameter_source(name) is given}
