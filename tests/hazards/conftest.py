from __future__ import annotations

import pytest
from hazard_strategies import EVERY

from bench.hazards import ROSTER, measure
from bench.records import Hazards, Machine


class Heard:
    """Counts what a progress bar is told."""

    def __init__(self):
        self.total = 0.0
        self.done = 0.0

    def begin(self, phase, total):
        self.total = total

    def advance(self, by, doing=""):
        self.done += by


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture(scope="session")
def cells():
    """The whole matrix, measured once; averages are updated less often than a user would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.hazards.wrappers.AVERAGED", 1_000)
        measured = measure(list(ROSTER), EVERY, Heard())
    return {(cell.hazard, cell.strategy): cell for cell in measured}


@pytest.fixture(scope="session")
def machine():
    return Machine(
        name="a processor 2 cores",
        cpu="a processor",
        cores=2,
        memory_bytes=2**33,
        os="Linux",
        python="3.12",
        torch="2.14.1",
        torchvision="absent",
        blas="mkl",
    )


@pytest.fixture(scope="session")
def hazards(cells, machine):
    return Hazards(
        machine=machine,
        hazards=[scenario.told() for scenario in ROSTER.values()],
        strategies=list(EVERY),
        cells=list(cells.values()),
        seconds=31.4,
    )
