"""Runs as one self-contained page: records in, bytes out, the same for the same input."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.page import heat_map, theme, vega
from bench.page.environment import asset, environment, fill
from bench.page.packing import packed, script_json
from bench.page.run_names import names
from bench.page.section import details, section
from bench.page.security import policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.collection.compared import Comparison
    from bench.page.chart import Chart
    from bench.page.section import Detail, Section
    from bench.records import Run


LARGEST = 5_000_000
"""Bytes from which many a mail server refuses an attachment."""


@dataclass(frozen=True)
class Figure:
    """A chart in its static form: an SVG element, or a picture for each theme."""

    id: str
    chart: Chart
    svg: str | None = None
    light: str | None = None
    dark: str | None = None


def render(runs: Sequence[Run], comparisons: Sequence[Comparison] = ()) -> bytes:
    """The page of `runs`, one section each; comparisons come first.

    It holds as much as leaves it small enough to be sent; tables are there in any case.

    Raises:
        PageError: a package that the page takes is missing.
        ValueError: there is no run.
    """
    if not runs:
        raise ValueError("there is no run to show")
    environment()  # says what is missing, before anything is drawn
    for detail in details(len(runs)):
        content = _filled(runs, comparisons, detail)
        if len(content) <= LARGEST:
            break
    return content


def _filled(runs: Sequence[Run], comparisons: Sequence[Comparison], detail: Detail) -> bytes:
    from markupsafe import Markup  # noqa: PLC0415  comes with jinja2, an extra

    sections = [
        section(run, name, detail, len(runs)) for run, name in zip(runs, names(runs), strict=True)
    ]
    figures = _figures(sections)
    specs = {figure.id: packed(figure.chart.spec) for row in figures for figure in row}
    scripts = [asset("table.js"), _library(), asset("charts.js")]
    return fill(
        "page.html",
        title=_title(runs),
        policy=policy(scripts),
        sections=list(zip(sections, _by_section(sections, figures), strict=True)),
        comparisons=comparisons,
        words=heat_map,
        synthetic=any(run.synthetic for run in runs),
        scripts=[Markup(script) for script in scripts],
        specs=Markup(script_json(specs)),
        markup=Markup,
    )


def _title(runs: Sequence[Run]) -> str:
    if len(runs) == 1:
        return f"freezebench: {runs[0].machine.name}, {runs[0].started[:10]}"
    return f"freezebench: {len(runs)} runs"


def _library() -> str:
    """The chart library, with the notice that its licence asks for."""
    return (
        f"/*! {vega.versions()}. Copyright (c) University of Washington Interactive Data Lab "
        f"and contributors; BSD-3-Clause, https://github.com/vega. */\n{vega.bundle()}"
    )


def _figures(sections: list[Section]) -> list[list[Figure]]:
    """The figures of each workload of each section, numbered through the page."""
    rows: list[list[Figure]] = []
    count = 0
    for part in (part for one in sections for part in one.workloads):
        row = []
        for chart in part.charts:
            count += 1
            row.append(_figure(f"chart-{count}", chart))
        rows.append(row)
    return rows


def _by_section(sections: list[Section], figures: list[list[Figure]]) -> list[list[list[Figure]]]:
    rows = iter(figures)
    return [[next(rows) for _ in one.workloads] for one in sections]


def _figure(name: str, chart: Chart) -> Figure:
    if not chart.pixels:
        return Figure(name, chart, svg=vega.svg(chart.spec))
    return Figure(
        name,
        chart,
        light=_picture(chart.spec, theme.LIGHT),
        dark=_picture(chart.spec, theme.DARK),
    )


def _picture(spec: dict[str, Any], colours: dict[str, str]) -> str:
    content = base64.b64encode(vega.png(spec, colours)).decode()
    return f"data:image/png;base64,{content}"
