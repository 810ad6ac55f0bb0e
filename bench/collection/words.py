"""The strings of a run from elsewhere: fit to be shown, and without a place or a person in them?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from bench.names import printable
from bench.portable import without_folders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Run

LONGEST_NAME = 300
"""Characters. Names are shown in tables; a longer one was not meant to be read."""

LONGEST_TEXT = 20_000
"""Characters of a reason or a note, which may hold the whole message of an exception."""

_ROOTED = re.compile(r"(?<![\w/.:~<)\]*])/[A-Za-z_.][\w.-]+")
"""A single name below the root, which has no folder to be shortened by."""

_HOST = re.compile(
    r"\b(?<!version )(?<![\w.+-])\d{1,3}(?:\.\d{1,3}){3}\b(?!\.\d)"
    r"|(?<![\w-])[\w-]+\.(?:local|lan|localdomain|internal)\b"
    r"|\w@\w"
)
_PUBLIC = r"(?:[\w-]+\.)*(?:pytorch|python|pypi|github|nvidia|huggingface)\.(?:org|com|co)\b"
_DOMAIN = re.compile(
    rf"(?<![\w.-])(?!{_PUBLIC})(?:[a-z0-9-]+\.){{2,}}"
    r"(?:com|edu|gov|mil|net|org|ac|at|au|be|br|ca|ch|cn|cz|de|dk|es|eu|fi|fr|hk|ie|il|jp|kr|nl|nz"
    r"|pl|ru|sg|tw|uk|us)(?![\w-]|\.\w)",
    re.IGNORECASE,
)
"""Three labels or more below a domain that names of modules and files hardly end in (unlike `.py`,
`.pt`, `.se` or `.bn`)."""

_TEXTS = ("why", "notes")  # of several lines; all other strings are names


def unfit_words(run: Run) -> Iterator[str]:
    """What is too long to be shown, or would garble a terminal or a page."""
    for where, text, is_name in _strings(run):
        longest = LONGEST_NAME if is_name else LONGEST_TEXT
        plain = text if is_name else re.sub(r"[\n\t]", "", text)
        if len(text) > longest:
            yield f"{where} has {len(text):,} characters, and {longest:,} is the most"
        if printable(plain) != plain:
            yield (
                f"{where} holds control characters, or turns the writing direction: {shown(text)}"
            )


def revealing_words(run: Run) -> Iterator[str]:
    """What looks like a path, a host or an address; only a person can tell whether it is."""
    for where, text, _ in _strings(run):
        if without_folders(text) != text or _ROOTED.search(text):
            yield f"{where} looks as if it held a path: {shown(text)}"
        elif _HOST.search(text) or _DOMAIN.search(text):
            yield f"{where} looks as if it held a host or an address: {shown(text)}"


def shown(text: str) -> str:
    """A string from elsewhere, fit for a terminal and short."""
    return ascii(text if len(text) <= 80 else f"{text[:60]}...")


def _strings(run: Run) -> Iterator[tuple[str, str, bool]]:
    """Where each string is, the string, and whether it is a name; keys are names, too."""
    yield from _walk("run", msgspec.to_builtins(run), is_name=True)


def _walk(where: str, value: Any, *, is_name: bool) -> Iterator[tuple[str, str, bool]]:
    if isinstance(value, str):
        yield where, value, is_name
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield f"a key of {where}", key, True
            # A key that someone chose is no part of a sentence about what it holds.
            part = key if re.fullmatch(r"\w{1,40}", key, re.ASCII) else "?"
            yield from _walk(f"{where}.{part}", inner, is_name=is_name and key not in _TEXTS)
    elif isinstance(value, (list, tuple)):
        for place_, inner in enumerate(value):
            if not isinstance(inner, (int, float)):
                yield from _walk(f"{where}[{place_}]", inner, is_name=is_name)
