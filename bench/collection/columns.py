"""Which runs may lie side by side, and as which columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.collection.asked import UnknownNameError
from bench.collection.gathering import CollectionError
from bench.collection.labels import labels, option, plain
from bench.collection.settings import MOVES_WITH, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.collection.asked import Asked
    from bench.collection.hardware import Hardware
    from bench.collection.index import Entry

Key = tuple[str, ...]
"""The value on the axis, and those of the settings that may differ."""


@dataclass
class Side:
    """A column in the making: the runs of each of its workloads.

    Attributes:
        label: as it is shown.
        works: runs by workload, in no order.
    """

    label: str = ""
    works: dict[str, list[Entry]] = field(default_factory=dict)

    @property
    def runs(self) -> set[str]:
        """Ids of its runs."""
        return {entry.head.id for entries in self.works.values() for entry in entries}

    def stands(self, workload: str) -> Entry:
        """The latest finished run of a workload, or the latest if none is finished."""
        entries = self.works[workload]
        finished = [entry for entry in entries if entry.head.state == "done"]
        return max(finished or entries, key=lambda entry: (entry.head.started, entry.head.id))


def machines(entries: Iterable[Entry]) -> dict[str, Hardware]:
    """The hardware of every machine, by digest."""
    return {entry.head.hardware.digest: entry.head.hardware for entry in entries}


def sides(entries: Sequence[Entry], asked: Asked) -> list[Side]:
    """The columns, by the value on the axis.

    Raises:
        UnknownNameError: a value that no run has.
        CollectionError: settings differ that must not, or nothing is left.
    """
    hardwares = machines(entries)
    works = _kept(entries, asked, hardwares)
    differing = _differing(works, asked)
    _refuse(works, differing, asked, hardwares)
    names = [asked.axis, *(name for name in SETTINGS if name in differing and name != asked.axis)]
    found: dict[Key, Side] = {}
    for workload, runs in works.items():
        for entry in runs:
            settings = entry.works[workload]
            key = tuple(settings[name] for name in names)
            found.setdefault(key, Side()).works.setdefault(workload, []).append(entry)
    shown = labels(found, names, hardwares)
    for key, side in found.items():
        side.label = shown[key]
    return [found[key] for key in shown]


def _kept(
    entries: Sequence[Entry], asked: Asked, hardwares: dict[str, Hardware]
) -> dict[str, list[Entry]]:
    """The runs of each workload that `only` keeps."""
    kept: dict[str, list[Entry]] = {}
    wanted = {name: set(asked.values(name)) for name in (*SETTINGS, "workload")}
    wanted = {name: values for name, values in wanted.items() if values}
    _refuse_unknown(entries, wanted, hardwares)
    workloads = wanted.pop("workload", set())
    if "machine" in wanted:
        wanted["machine"] = {
            digest
            for digest, machine in hardwares.items()
            if {digest, machine.name} & wanted["machine"]
        }
    for entry in entries:
        for workload, settings in entry.works.items():
            if workloads and workload not in workloads:
                continue
            if all(settings[name] in values for name, values in wanted.items()):
                kept.setdefault(workload, []).append(entry)
    if not kept:
        what = " ".join(option("--only", name, value) for name, value in asked.only)
        raise CollectionError(
            f"no run has all of {what}; leave one out" if asked.only else
            "the runs hold no cell yet, so there is nothing to compare; finish one with "
            "`freezebench run --resume RUN`"
        )  # fmt: skip
    return kept


def _refuse_unknown(
    entries: Sequence[Entry], wanted: dict[str, set[str]], hardwares: dict[str, Hardware]
) -> None:
    for name, values in wanted.items():
        if name == "machine":
            known = {text for h in hardwares.values() for text in (h.name, h.digest)}
        elif name == "workload":
            known = {workload for entry in entries for workload in entry.works}
        else:
            known = {settings[name] for entry in entries for settings in entry.works.values()}
        for value in values - known:
            raise UnknownNameError(f"no run has {name} {value!r}", value, sorted(known - {""}))


def _differing(works: dict[str, list[Entry]], asked: Asked) -> dict[str, str]:
    """The settings, the axis apart, that differ within a workload, and the first such workload.

    What has no bearing on a run differs from nothing.
    """
    free = {MOVES_WITH.get(name) for name in (asked.axis, *asked.allow)} | {asked.axis}
    found: dict[str, str] = {}
    for workload, runs in works.items():
        each = {id(settings): settings for settings in (e.works[workload] for e in runs)}.values()
        for name in SETTINGS:
            if name not in free and len({settings[name] for settings in each} - {""}) > 1:
                found.setdefault(name, workload)
    return found


def _refuse(
    works: dict[str, list[Entry]],
    differing: dict[str, str],
    asked: Asked,
    hardwares: dict[str, Hardware],
) -> None:
    wrong = [name for name in differing if name not in asked.allow]
    if not wrong:
        return
    name = min(wrong, key=SETTINGS.index)
    workload = differing[name]
    runs: dict[str, list[str]] = {}
    for entry in works[workload]:
        if value := entry.works[workload][name]:
            runs.setdefault(value, []).append(entry.head.id)
    shown = [f"{plain(name, v, hardwares, runs)} in {_named(ids)}" for v, ids in runs.items()]
    others = [other for other in SETTINGS if other in wrong and other != name]
    also = f" ({', '.join(others)} differ{'s' if len(others) == 1 else ''} too)" if others else ""
    allowed = " ".join(f"--allow {each.replace('_', '-')}" for each in (name, *others))
    raise CollectionError(
        f"these runs may not lie side by side: {name} of {workload} is {_listed(shown)}{also}; "
        f"keep one with {option('--only', name, _example(name, runs, hardwares))}, have them as "
        f"columns of their own with {allowed}, or see with --every what lies side by side as it is"
    )


def _example(name: str, runs: dict[str, list[str]], hardwares: dict[str, Hardware]) -> str:
    value = max(runs, key=lambda value: len(runs[value]))
    if name == "machine":
        names = [hardware.name for hardware in hardwares.values()]
        return hardwares[value].name if names.count(hardwares[value].name) == 1 else value
    return value


def _named(ids: Sequence[str]) -> str:
    return ids[0] + (f" and {len(ids) - 1} more" if len(ids) > 1 else "")


def _listed(texts: Sequence[str]) -> str:
    if len(texts) > 3:
        return f"{', '.join(texts[:2])} and {len(texts) - 2} other values elsewhere"
    return f"{', '.join(texts[:-1])} and {texts[-1]}"
