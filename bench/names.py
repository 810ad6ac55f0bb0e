"""Names that others chose, made fit to be shown."""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"

# Marks that turn the writing direction of what follows (a name must not reorder its neighbours).
_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(name: str) -> str:
    """`name` on one line, with control characters and direction overrides replaced by U+FFFD."""
    return "".join(
        " "
        if character in "\n\r\t\u2028\u2029"
        else "\ufffd"
        if character in _OVERRIDES or unicodedata.category(character) in ("Cc", "Cs")
        else character
        for character in name
    )


def shorten(name: str, width: int) -> str:
    """`name` in at most `width` characters: what is too long loses its middle.

    Both ends stay, because a prefix (`torchvision:`) and a suffix (`+eval`) say what it is.
    """
    name = printable(name)
    if len(name) <= width:
        return name
    if width <= 1:
        return ELLIPSIS[:width]
    tail = (width - 1) // 2
    return name[: width - 1 - tail] + ELLIPSIS + name[len(name) - tail :]


def fold(name: str, width: int, lines: int = 2) -> str:
    """`name` over at most `lines` lines of `width` characters, broken behind `_ : / . - +`."""
    rest = shorten(name, width * lines)
    folded: list[str] = []
    while len(rest) > width and len(folded) < lines - 1:
        ends = [place + 1 for place, character in enumerate(rest[:width]) if character in "_:/.-+ "]
        end = next((e for e in reversed(ends) if len(rest) - e <= width * (lines - 1)), width)
        folded.append(rest[:end].rstrip(" "))
        rest = rest[end:]
    return "\n".join([*folded, rest])
