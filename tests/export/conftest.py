"""Runs to export."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from export_runs import RUNS, build_cell, build_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.records import Cell, Run


@pytest.fixture(params=list(RUNS), ids=lambda name: name.replace(" ", "_"))
def any_run(request: pytest.FixtureRequest) -> Run:
    """A run in each state that a run may be in."""
    return RUNS[request.param]()


@pytest.fixture
def whole() -> Run:
    """A run with a cell of each verdict."""
    return RUNS["whole"]()


@pytest.fixture
def make_run() -> Callable[..., Run]:
    """Builds a run of the cells given."""
    return build_run


@pytest.fixture
def make_cell() -> Callable[..., Cell]:
    """Builds a cell."""
    return build_cell
