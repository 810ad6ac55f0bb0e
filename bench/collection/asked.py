"""What is asked of a comparison: the axis, which runs alone, and what may differ."""

from __future__ import annotations

from dataclasses import dataclass

from bench.collection.settings import AXES, SETTINGS

NAMES = (*SETTINGS, "workload", "strategy")
"""What `only` may name."""


class UnknownNameError(Exception):
    """A name or a value that there is not; `known` are those that there are."""

    def __init__(self, sentence: str, name: str, known: list[str]) -> None:
        super().__init__(sentence)
        self.name = name
        self.known = known


@dataclass(frozen=True)
class Asked:
    """A comparison as it was asked for.

    Attributes:
        axis: the setting that tells columns apart.
        only: by name, the values that are kept; a workload or a strategy is named likewise.
        allow: settings that may differ; their values become part of a column's label.
    """

    axis: str = "machine"
    only: tuple[tuple[str, str], ...] = ()
    allow: frozenset[str] = frozenset()

    def values(self, name: str) -> list[str]:
        """What is kept of `name`; nothing if all is."""
        return [value for known, value in self.only if known == name]


def setting(name: str, names: tuple[str, ...] = SETTINGS) -> str:
    """A setting as it is called inside: `gpu` is the machine, `channels-last` has a dash.

    Raises:
        UnknownNameError: it is not among `names`.
    """
    known = AXES.get(name, name.replace("-", "_"))
    if known not in names:
        raise UnknownNameError(f"there is no setting {name!r}", name, sorted(names))
    return known
