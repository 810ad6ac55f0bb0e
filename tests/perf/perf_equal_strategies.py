"""Does a race between equal strategies end in a tie? The harness's own A/A bench.

Each of the runs is the conductor's own: fresh workers, several lives, rounds in random order,
stopping by precision or budget. Only the survey, which times nothing, is done once for all.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace
from requested import requested

from bench.records import Origin, Samples
from bench.run import session
from bench.run.conductor import Conductor
from bench.run.progress import Unwatched

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from bench.records import Cell

RUNS = 100
PHASES = ("backward", "total")
REQUEST = requested(
    strategies=(f"{Path(__file__).with_name('twins.py')}:FullTwin",), steps=1, budget=3.0
)


def test_equal_strategies_tie(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    start_worker = session.forked_workers(REQUEST)
    worker = start_worker()
    plan = worker.ask("plan", REQUEST)
    worker.end()
    _, carry_out = session.begin(
        replace(REQUEST, budget=0.5), tmp_path, Unwatched(), start_worker=start_worker
    )
    surveyed = carry_out()
    found: dict[str, list[tuple[float, float, float]]] = {phase: [] for phase in PHASES}

    def a_hundred_races() -> None:
        for seed in range(RUNS):
            begun = replace(
                surveyed,
                request=replace(REQUEST, seed=seed),
                surveyed_seconds=0.0,
                timed_seconds=0.0,
                cells=[untimed(cell) for cell in surveyed.cells],
            )
            run = Conductor(begun, plan, start_worker, lambda _: None, tmp_path).carry_out()
            summary = run.cells[1].summary
            for phase in PHASES:
                ratio = summary.phases[phase].ratio
                found[phase].append((ratio.value, ratio.low or 0.0, ratio.high or 9.9))

    benchmark.pedantic(a_hundred_races, rounds=1)
    for phase, ratios in found.items():
        covered = sum(low <= 1 <= high for _, low, high in ratios)
        widths = sorted((high - low) / 2 for _, low, high in ratios)
        errors = sorted(abs(value - 1) for value, _, _ in ratios)
        text = (
            f"{covered} of {RUNS} intervals contain 1; median half-width "
            f"{widths[RUNS // 2]:.1%}, median error {errors[RUNS // 2]:.1%}"
        )
        benchmark.extra_info[phase] = text
        print(f"\nequal strategies, {phase}: {text}")


def untimed(cell: Cell) -> Cell:
    return replace(
        cell,
        samples=Samples([], [], [], []),
        origin=Origin([], [], []),
        warmup=None,
        summary=None,
        interference=[],
    )
