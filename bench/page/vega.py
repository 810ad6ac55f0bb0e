"""Vega-Lite drawn at build time, and the library itself for the reader's browser."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

from bench.page import PageError, theme

_NEEDED = "the page needs the extra `page`; pip install 'freezebench[page]'"
_PNG_SCALE = 1.5  # pixels for each of the chart's: sharp enough for a phone, half the bytes of 2
_PNG_COLOURS = 32


def svg(spec: dict[str, Any]) -> str:
    """The chart as an SVG element, whose text is escaped and which loads nothing.

    Raises:
        PageError: the drawing library is missing.
    """
    return str(_library().vegalite_to_svg(spec, allowed_base_urls=[]))


def png(spec: dict[str, Any], colours: dict[str, str]) -> bytes:
    """The chart in pixels, in the given colours, with few enough of them to be small.

    Raises:
        PageError: the drawing library is missing.
    """
    painted = theme.painted(spec, colours)
    painted["config"]["background"] = colours["ground"]
    content = _library().vegalite_to_png(painted, scale=_PNG_SCALE, ppi=72, allowed_base_urls=[])
    return _with_palette(content)


def _with_palette(content: bytes) -> bytes:
    from PIL import Image  # noqa: PLC0415  matplotlib's own, only for a page

    picture = Image.open(io.BytesIO(content)).convert("RGB")
    stream = io.BytesIO()
    picture.quantize(_PNG_COLOURS, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()


@cache
def bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed (BSD-3-Clause), one script that needs nothing else.

    Raises:
        PageError: the drawing library is missing.
    """
    script = str(_library().javascript_bundle())
    # Inside HTML a script ends at its first closing tag, wherever that stands.
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def versions() -> str:
    """What the bundle holds, for its licence notice."""
    library = _library()
    return (
        f"Vega {library.get_vega_version()}, Vega-Lite {library.get_vegalite_versions()[-1]}, "
        f"Vega-Embed {library.get_vega_embed_version()}"
    )


def _library() -> Any:
    try:
        import vl_convert  # noqa: PLC0415  an extra, and 40 MB
    except ImportError as error:
        raise PageError(_NEEDED) from error
    return vl_convert
