"""Templates: everything is escaped, and a name that isn't there is an error."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from bench.names import printable
from bench.page import PageError, theme

if TYPE_CHECKING:
    import jinja2

_MISSING = (
    "a page takes the extra `page`, and jinja2 is not installed; pip install 'freezebench[page]'"
)


@cache
def environment() -> jinja2.Environment:
    """The templates of this package.

    Raises:
        PageError: jinja2 is missing.
    """
    try:
        import jinja2  # noqa: PLC0415  an extra
    except ImportError as error:
        raise PageError(_MISSING) from error
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("bench.page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["printable"] = printable
    return made


def fill(template: str, **values: Any) -> bytes:
    """A template with its values, and the style sheet in it.

    Raises:
        PageError: jinja2 is missing.
    """
    made = environment().get_template(template)
    from markupsafe import Markup  # noqa: PLC0415  comes with jinja2

    return made.render(style=Markup(style()), **values).encode()  # our own file


def asset(name: str) -> str:
    """A file of this package's `assets`."""
    return (files("bench.page") / "assets" / name).read_text("utf-8")


@cache
def style() -> str:
    """The style sheet, with the colours that the charts name in both themes."""
    light = "".join(f"--{name}:{value};" for name, value in theme.LIGHT.items())
    dark = "".join(f"--{name}:{value};" for name, value in theme.DARK.items())
    return (
        f":root{{{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n" + asset("page.css")
    )
