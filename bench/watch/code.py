"""Names of a model's parts as code that can be pasted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LISTED = 8  # names in a line of code


def cover(names: Iterable[str], modules: Sequence[str]) -> list[str]:
    """The modules that hold these names, each once; a name that none of them holds stays."""
    found = (
        next((m for m in modules if name == m or name.startswith(f"{m}.")), name) for name in names
    )
    return list(dict.fromkeys(found))


def for_each(names: Sequence[str], action: str, *, leaf: str | None = None) -> str:
    """One line of code that does `action` (`.eval()`) to each named module.

    With `leaf="get_parameter"`, the names are of parameters.
    """
    if len(names) == 1:
        return f"{reached(names[0], leaf)}{action}"
    listed = (
        f"({', '.join(repr(name) for name in names)})" if len(names) <= _LISTED else "finding.where"
    )
    return f"for name in {listed}: model.{leaf or 'get_submodule'}(name){action}"


def reached(name: str, leaf: str | None = None) -> str:
    """An expression for one part: `model.backbone`, `model.get_submodule("backbone.0")`."""
    if not name:
        return "model"
    if all(level.isidentifier() for level in name.split(".")):
        return f"model.{name}"
    return f'model.{leaf or "get_submodule"}("{name}")'
