"""The claims as files: a page, the record, and the plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bench.report.claims.accuracy import draw as accuracy
from bench.report.claims.cost import draw as cost
from bench.report.claims.page import page
from bench.report.claims.record import record_json
from bench.report.claims.strategies import draw as strategies
from bench.report.claims.training import draw as training
from bench.report.look import render

if TYPE_CHECKING:
    from bench.records import Claims

PLOTS = {"accuracy": accuracy, "training": training, "strategies": strategies, "cost": cost}
"""Each draws a figure, or nothing where what it shows was not measured."""

FORMS: tuple[Literal["png", "svg"], ...] = ("png", "svg")


def files(found: Claims) -> list[tuple[str, bytes]]:
    """Names and contents of all files of a folder; the page shows no plot that is not there."""
    pictures = [
        (f"{name}.{form}", render(figure, form))
        for name, draw in PLOTS.items()
        if (figure := draw(found)) is not None
        for form in FORMS
    ]
    text = page(found, [name for name, _ in pictures])
    return [("README.md", text.encode()), ("claims.json", record_json(found)), *pictures]
