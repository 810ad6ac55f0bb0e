"""The hazard matrix, in each form."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Hazards


def files(hazards: Hazards) -> Iterator[tuple[str, bytes]]:
    """Every form of the matrix with its file name; the Markdown leads to the picture beside it."""
    from bench.report.hazards.heat import draw  # noqa: PLC0415  brings matplotlib along
    from bench.report.hazards.json_ import json_  # noqa: PLC0415
    from bench.report.hazards.markdown import markdown  # noqa: PLC0415
    from bench.report.hazards.table_csv import table_csv  # noqa: PLC0415
    from bench.report.look import render  # noqa: PLC0415

    yield "hazards.json", json_(hazards)
    yield "hazards.csv", table_csv(hazards)
    yield "README.md", markdown(hazards)
    figure = draw(hazards)
    yield "hazards.png", render(figure, "png")
    yield "hazards.svg", render(figure, "svg")
