"""The README of a collection: what is there, and what the machines say side by side."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bench.collection.side_by_side import groups, latest_of, settings_of
from bench.report import units
from bench.report.names import shorten
from bench.report.reading import SIGNS, is_reference, ratio
from bench.report.table_md import code, escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.collection.side_by_side import Column, Group, Kept
    from bench.records import Cell

TEMPLATE = "results.md.jinja"
_LONGEST = 80  # characters of a name in a table


class ReadmeError(Exception):
    """The README cannot be rendered; the message says what is missing."""


def readme(kept: Sequence[Kept]) -> bytes:
    """UTF-8 Markdown, the same for the same runs: it holds no date but theirs.

    Whatever text comes from a run is escaped here, and the template adds none of its own.

    Raises:
        ReadmeError: jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: PLC0415  an extra
    except ImportError as error:
        raise ReadmeError(
            "a collection is rendered with jinja2, which is not installed; "
            "install it with: pip install 'freezebench[page]'"
        ) from error
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    template = environment.from_string((files(__package__) / TEMPLATE).read_text("utf-8"))
    text = template.render(
        machines=_machines(kept),
        workloads=_workloads(groups(kept)),
        signs=[(SIGNS[verdict], verdict) for verdict in SIGNS],
        absent=units.ABSENT,
    )
    return text.encode("utf-8", "replace")


def _machines(kept: Sequence[Kept]) -> list[dict[str, Any]]:
    """A row for each machine, torch and settings."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for runs in latest_of(kept).values():
        for one in runs:
            machine = one.run.machine
            key = machine.name, machine.torch, _settings(_of_any_workload(one))
            row = rows.setdefault(key, {"runs": 0, "latest": one})
            row["runs"] += 1
            row["latest"] = max(row["latest"], one, key=lambda other: other.run.started)
    return [
        {
            "machine": _name(name),
            "torch": _name(torch),
            "settings": settings,
            "runs": row["runs"],
            "latest": f"[{escape(row['latest'].run.started[:10])}]({_table(row['latest'])})",
        }
        for (name, torch, settings), row in sorted(rows.items(), key=lambda item: item[0])
    ]


def _of_any_workload(kept: Kept) -> dict[str, Any]:
    """The settings of a run that say nothing of its workloads."""
    settings = settings_of(kept.run)
    settings.pop("topology", None)
    return settings


def _workloads(found: Sequence[Group]) -> dict[str, list[dict[str, Any]]]:
    """The tables of each workload."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for group in found:
        version = [f"version {escape(group.version[:8])}"] if group.version else []
        tables.setdefault(code(shorten(group.workload, _LONGEST)), []).append(
            {
                "settings": ", ".join([_settings(group.settings), *version]),
                "columns": [_heading(column) for column in group.columns],
                "rows": [
                    (
                        code(shorten(strategy, _LONGEST)),
                        [
                            _figure(group.cells.get((strategy, i)))
                            for i in range(len(group.columns))
                        ],
                    )
                    for strategy in group.strategies
                ],
            }
        )
    return tables


def _settings(settings: dict[str, Any]) -> str:
    """Settings in words; those that are as usual are not told."""
    words = {
        "topology": "topology {}",
        "device": "{}",
        "dtype": "{}",
        "batch": "batch {}",
        "threads": "{} threads" if settings.get("threads") != 1 else "{} thread",
        "optimizer": "{}",
    }
    told = [form.format(settings[name]) for name, form in words.items() if name in settings]
    told += [name.replace("_", "-") for name in ("compile", "channels_last") if settings.get(name)]
    if settings.get("freeze"):
        told.append(f"freeze {' '.join(settings['freeze'])}")
    if settings.get("weights"):
        told.append(f"weights {settings['weights']}")
    return escape(", ".join(told))


def _heading(column: Column) -> str:
    return f"[{_name(column.label)}]({_table(column.kept)})"


def _table(kept: Kept) -> str:
    return quote(f"{kept.place}/table.md")


def _name(name: str) -> str:
    """A name that stays inside its cell and its link."""
    plain = shorten(name, 2 * _LONGEST).replace("[", "(").replace("]", ")")
    return escape(plain)


def _figure(cell: Cell | None) -> str:
    if cell is None:
        return units.ABSENT
    figure = "1" if is_reference(cell) else units.ratio_within(ratio(cell, "total"))
    return f"{figure} {SIGNS[cell.verdict]}"
