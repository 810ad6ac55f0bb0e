"""What columns and settings are called."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.collection.hardware import Hardware

    Key = tuple[str, ...]

_WORDED = {
    "compile": {"yes": "compiled", "no": "not compiled"},
    "channels_last": {"yes": "channels-last", "no": "contiguous"},
}
_PREFIXED = ("torch", "batch", "schema", "freeze", "weights", "version", "topology")
_UNTOLD = "any"  # a value that has no bearing on the run

UNTELLING = ("", "no", "none", "unknown", "the workload's own")
"""Values that are as usual, and left out where settings are listed."""


def labels(
    keys: Iterable[Key], names: Sequence[str], machines: dict[str, Hardware]
) -> dict[Key, str]:
    """A label for each column, in the order in which they are shown.

    Args:
        keys: the values of `names` in each column.
        names: settings, that on the axis first.
        machines: hardware by digest.
    """
    known = sorted(
        keys, key=lambda key: [_rank(n, v, machines) for n, v in zip(names, key, strict=True)]
    )
    return {
        key: " · ".join(
            told(name, value, machines, {other[place] for other in known})
            for place, (name, value) in enumerate(zip(names, key, strict=True))
        )
        for key in known
    }


def told(name: str, value: str, machines: dict[str, Hardware], among: Iterable[str]) -> str:
    """A setting's value in words; machines of one name are told apart by what differs.

    Args:
        name: of the setting.
        value: of it.
        machines: hardware by digest.
        among: the values that are shown beside it.
    """
    if name == "machine":
        return _machine(machines[value], [machines[other] for other in among])
    if not value:
        return f"{name} {_UNTOLD}"
    if name == "threads":
        return f"{value} thread{'' if value == '1' else 's'}"
    worded = _WORDED.get(name, {}).get(value, value[:6] if name == "version" else value)
    return f"{name} {worded}" if name in _PREFIXED else worded


def plain(name: str, value: str, machines: dict[str, Hardware], among: Iterable[str]) -> str:
    """A setting's value as `--only` takes it, but for a machine, which is told by its name."""
    return told(name, value, machines, among) if name == "machine" else value or _UNTOLD


def option(flag: str, name: str, value: str) -> str:
    """`--only name=value`, quoted for a POSIX shell."""
    return f"{flag} {shlex.quote(f'{name}={value}')}"


def _machine(machine: Hardware, among: Sequence[Hardware]) -> str:
    alike = [other for other in among if other.name == machine.name and other != machine]
    if not alike:
        return machine.name
    apart = [
        name
        for name in {key: None for each in (machine, *alike) for key in each.fields}
        if any(machine.fields.get(name) != other.fields.get(name) for other in alike)
    ]
    facts = [_fact(name, machine.fields.get(name)) for name in apart[:2]]
    rest = [other for other in alike
            if all(other.fields.get(n) == machine.fields.get(n) for n in apart[:2])]  # fmt: skip
    return f"{machine.name} ({', '.join([*facts, machine.digest[:6]] if rest else facts)})"


def _fact(name: str, value: str | None) -> str:
    words = name.removeprefix("gpu_").replace("_gib", "").replace("_", " ")
    if value is None:
        return f"{words} unknown"
    if name.endswith("_gib"):
        return f"{value} GiB of {words}"
    return value if name == "cpu" else f"{value} {words}" if name == "cores" else f"{words} {value}"


def _rank(name: str, value: str, machines: dict[str, Hardware]) -> tuple[Any, ...]:
    """Numbers by their size, versions by their parts, the rest by name."""
    if name == "machine":
        return (1, [], machines[value].name.casefold(), value)
    parts = value.split(".")
    if all(part.isdecimal() for part in parts):
        return (0, [int(part) for part in parts], "", value)
    return (1, [], value.casefold(), value)
