"""How much of the noise is the heap: one race, with workers that keep freed memory and without.

Says the scatter of the ratio to `full` between the rounds of a life, and between lives.
"""

from __future__ import annotations

import random
import time
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from requested import requested

from bench.run.process import ForkedWorker, fork_server
from bench.run.race import CellInWorker, LifeReadings, live, shuffled
from bench.run.recording import new_cell, with_turn
from bench.summary import by_life, turn_medians

if TYPE_CHECKING:
    import pytest
    from pytest_benchmark.fixture import BenchmarkFixture

LIVES, LIFE_SECONDS = 6, 4.0
REQUEST = requested(steps=1, budget=10.0)


def test_scatter_with_and_without_keeping_freed_memory(
    benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))

    def both() -> None:
        for name, preload in (("as it is", ["default_heap"]), ("keeping freed memory", [])):
            forkserver._forkserver._stop()  # so that the next worker's server is a new one
            within, between = scatter(["sklearn.datasets", *preload])
            text = f"rounds of a life ±{within:.1%}, lives ±{between:.1%}"
            benchmark.extra_info[name] = text
            print(f"\nheap {name}: ratio to full scatters between {text}")

    benchmark.pedantic(both, rounds=1)


def scatter(preload: list[str]) -> tuple[float, float]:
    """Median over strategies of the standard deviations of the log ratio of `total`."""
    context = fork_server(preload)
    worker = ForkedWorker(context)
    plans = list(worker.ask("plan", REQUEST).cells)
    worker.end()
    cells = [new_cell(plan) for plan in plans]
    for life in range(LIVES):
        readings = LifeReadings()
        worker = ForkedWorker(context)
        contestants = [CellInWorker(worker, i, plan, 60.0) for i, plan in enumerate(plans)]
        live(contestants, readings, seconds=LIFE_SECONDS, order=shuffled(random.Random(life)),
             now=time.monotonic)  # fmt: skip
        worker.end()
        for number, turns in enumerate(readings.rounds):
            for index, reading in turns.items():
                cells[index] = with_turn(cells[index], life, number, reading)
    full, *others = [turn_medians(cell.samples.total, cell.origin) for cell in cells]
    within, between = [], []
    for turns in others:
        lives = by_life({turn: float(np.log(turns[turn] / full[turn])) for turn in turns})
        within.append(np.mean([np.std(rounds, ddof=1) for rounds in lives]))
        between.append(np.std([np.mean(rounds) for rounds in lives], ddof=1))
    return float(np.median(within)), float(np.median(between))
