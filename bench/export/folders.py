"""Exported files are published: what an exception said of a folder stays behind."""

from __future__ import annotations

import re

_ABSOLUTE = re.compile(
    r"(?<![\w/.:~])(?:~|[A-Za-z]:(?=[\\/]))?(?:[\\/][^\s\\/:\"'`<>|()\[\],;]+){2,}"
)


def without_folders(text: str) -> str:
    """`text` with absolute paths shortened to their last names: `/home/me/data.bin` to `data.bin`.

    Reasons (`why`) may hold the message of any exception, and so a path of the machine. A path
    with spaces in it is shortened up to the first of them only.
    """
    return _ABSOLUTE.sub(lambda path: re.split(r"[\\/]", path[0])[-1], text)
