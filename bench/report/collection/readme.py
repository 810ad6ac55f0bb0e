"""The README of a collection: what is there, and what the runs say side by side."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bench.collection.alike import alike
from bench.collection.labels import UNTELLING, told
from bench.collection.settings import SETTINGS
from bench.names import shorten
from bench.report.comparison.words import ratio_of, sentences, settings, within
from bench.report.reading import SIGNS
from bench.report.table_md import code, escape
from bench.report.units import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bench.collection.compared import Compared, Comparison, Figures
    from bench.collection.index import Entry

TEMPLATE = "results.md.jinja"

AXES = {
    "machine": "Other machines",
    "torch": "Other versions of torch",
    "dtype": "Below float32",
    "batch": "Other batches",
    "threads": "More threads",
    "optimizer": "Other optimizers",
    "compile": "Compiled",
    "channels_last": "Channels-last memory",
}
"""Headings; an axis that has none is called by its name."""

_LONGEST = 80  # characters of a name in a table


class ReadmeError(Exception):
    """The README cannot be rendered; the message says what is missing."""


def side_by_side(entries: Sequence[Entry]) -> dict[str, Comparison]:
    """Every comparison that the runs allow, by the name that its heat map has beside the README."""
    found: dict[str, Comparison] = {}
    for comparison in alike(_in_order(entries)):
        name = f"by-{comparison.axis.replace('_', '-')}"
        number = 1 + sum(known.axis == comparison.axis for known in found.values())
        found[f"{name}-{number}.png" if number > 1 else f"{name}.png"] = comparison
    return found


def readme(entries: Sequence[Entry], results: Path, comparisons: Mapping[str, Comparison]) -> bytes:
    """UTF-8 Markdown, the same for the same runs: it holds no date but theirs.

    Whatever text comes from a run is escaped here, and the template adds none of its own.

    Args:
        entries: the runs, in any order.
        results: the folder that they are in; links are relative to it.
        comparisons: of them, from `side_by_side`.

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
    ordered = _in_order(entries)
    links = {
        entry.head.id: quote(f"{entry.file.parent.relative_to(results).as_posix()}/table.md")
        for entry in ordered
    }
    text = template.render(
        runs=[_run(entry, ordered, links) for entry in reversed(ordered)],
        axes=_by_axis(comparisons, links),
        signs=[(SIGNS[verdict], verdict) for verdict in SIGNS],
        absent=ABSENT,
    )
    return text.encode("utf-8", "replace")


def _run(entry: Entry, among: Sequence[Entry], links: dict[str, str]) -> dict[str, str]:
    """The row of a run."""
    hardwares = {other.head.hardware.digest: other.head.hardware for other in among}
    each = list(entry.works.values())
    shared = {
        name: each[0][name]
        for name in SETTINGS
        if each and len({settings[name] for settings in each}) == 1
    }
    words = [
        told(name, value, hardwares, [value])
        for name, value in shared.items()
        if name not in ("schema", "machine", "torch", "switches", "topology", "version")
        and value not in UNTELLING
    ]
    return {
        "date": f"[{escape(entry.head.started[:10])}]({links[entry.head.id]})",
        "machine": _name(told("machine", entry.head.hardware.digest, hardwares, hardwares)),
        "torch": _name(shared.get("torch", ABSENT)),
        "settings": escape(", ".join(words)),
        "workloads": ", ".join(code(shorten(name, _LONGEST)) for name in entry.works),
    }


def _by_axis(
    comparisons: Mapping[str, Comparison], links: dict[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """The comparisons of each axis, by its heading: a heat map's name, and tables."""
    found: dict[str, list[dict[str, Any]]] = {}
    for picture, comparison in comparisons.items():
        tables = [_table(compared, comparison, links) for compared in comparison.workloads]
        heading = AXES.get(comparison.axis, comparison.axis)
        found.setdefault(heading, []).append({"picture": picture, "tables": tables})
    return found


def _in_order(entries: Sequence[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: (entry.head.started, entry.head.id))


def _table(compared: Compared, comparison: Comparison, links: dict[str, str]) -> dict[str, Any]:
    return {
        "workload": code(shorten(compared.workload, _LONGEST)),
        "settings": escape(f"frozen part: {compared.topology} · {settings(compared)}"),
        "columns": [
            f"[{_name(comparison.columns[place].label)}]({links[compared.stands[place]]})"
            for place in compared.columns
        ],
        "rows": [
            (
                code(shorten(strategy, _LONGEST)),
                [_figure(compared.figures.get((strategy, place))) for place in compared.columns],
            )
            for strategy in compared.strategies
            if strategy != "full"
        ],
        "sentences": [escape(sentence) for sentence in sentences(compared, comparison, "total")],
    }


def _name(name: str) -> str:
    """A name that stays inside its cell and its link."""
    plain = shorten(name, 2 * _LONGEST).replace("[", "(").replace("]", ")")
    return escape(plain)


def _figure(figures: Figures | None) -> str:
    """A ratio with the sign of its verdict last, so that figures stand below each other."""
    if figures is None:
        return ABSENT
    return f"{within(ratio_of(figures, 'total'))} {SIGNS[figures.verdict]}"
