"""How a collection of made-up runs grows: making its index, and comparing with the index there.

Each run has 10 workloads × 10 strategies = 100 cells, on one of 50 machines. Figures are of a fresh
interpreter each, as a user's command is: seconds that passed, those of the processor, which a
neighbour hardly changes, and the highest resident size.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import pytest
from requested import requested

from bench.records import (
    SCHEMA,
    Cell,
    Energy,
    Interval,
    Machine,
    Memory,
    Origin,
    Phase,
    Project,
    Run,
    Samples,
    Summary,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

SIZES = (100, 1_000, 10_000)
MACHINES, WORKLOADS, STRATEGIES = 50, 10, 10
LIVES = 5
GIB = 1.0  # that a comparison may take; its seconds are told, since they are this machine's

MEASURED = """
import re, sys, time
from bench.cli import main
try:
    main(sys.argv[1:])
except SystemExit as done:
    code = done.code
# Not getrusage: what it says holds the parent's size from before the exec.
peak_kib = re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]
print(code, time.process_time(), int(peak_kib) / 2**20, file=sys.stderr)
"""


def cells(draw: np.random.Generator) -> list[Cell]:
    """The cells of a machine: all strategies, `full` first, with ratios of its own."""
    made = []
    samples = Samples(*([0.001] * LIVES for _ in range(4)))
    origin = Origin(list(range(LIVES)), [0] * LIVES, [0] * LIVES)
    for workload in range(WORKLOADS):
        for strategy in range(STRATEGIES):
            ratio = 1.0 if strategy == 0 else float(draw.uniform(0.1, 1.1))
            width = float(draw.uniform(0.01, 0.1))
            seconds = Interval(0.01 * ratio, 0.01 * ratio * (1 - width), 0.01 * ratio * (1 + width))
            compared = Interval(ratio, ratio * (1 - width), ratio * (1 + width))
            phase = Phase(seconds, None if strategy == 0 else compared)
            made.append(
                Cell(
                    workload=f"workload_{workload}",
                    strategy="full" if strategy == 0 else f"strategy_{strategy}",
                    topology="front",
                    device="cuda:0",
                    dtype="float32",
                    batch=64,
                    threads=1,
                    optimizer="adam",
                    verdict="reference" if strategy == 0 else "ok",
                    why="",
                    samples=samples,
                    origin=origin,
                    summary=Summary(
                        LIVES, LIVES, {"backward": phase, "total": phase}, {"total": ratio / 2}
                    ),
                    memory=Memory(peak_bytes=int(draw.integers(10**6, 10**8))),
                    fingerprint=f"{workload:016x}",
                    energy=Energy(seconds, "gpu counter", 100, 1.0),
                )
            )
    return made


def run(place: int, made: list[Cell], machine: int) -> Run:
    return Run(
        schema=SCHEMA,
        id=f"20260101-000000-{place:06x}",
        started=f"2026-01-01T{place // 3600:02}:{place // 60 % 60:02}:{place % 60:02}+00:00",
        state="done",
        stopped_by="budget",
        surveyed_seconds=1.0,
        timed_seconds=1.0,
        request=requested(workloads=(), device="cuda", budget=90.0, cell_timeout=300.0),
        machine=Machine(
            name=f"made up {machine}", cpu="made up", cores=8, memory_bytes=2**35, os="Linux",
            python="3.12", torch="2.14.1", torchvision="0.29", blas="none",
            accelerator=f"made up {machine:02}", accelerator_memory_bytes=2**34,
        ),
        project=Project("0.1.0", "0" * 40, False),
        cells=made,
        synthetic=True,
    )  # fmt: skip


@pytest.fixture(name="results", scope="module")
def results_fixture() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="freezebench-collection-"))
    yield folder
    shutil.rmtree(folder)


def grow(results: Path, size: int) -> None:
    """Further runs, until there are so many."""
    draw = np.random.default_rng(0)
    of_machines = [cells(draw) for _ in range(MACHINES)]
    for place in range(size):
        machine = place % MACHINES
        folder = results / f"machine-{machine}" / f"{place:06}"
        if not folder.exists():
            folder.mkdir(parents=True)
            content = msgspec.json.encode(run(place, of_machines[machine], machine))
            (folder / "run.json").write_bytes(content)


class Cost(NamedTuple):
    """Of one command, all included."""

    seconds: float
    cpu_seconds: float
    gib: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s ({self.cpu_seconds:.2f} of the processor), {self.gib:.2f} GiB"


def command(*arguments: str) -> Cost:
    """What `freezebench ...` takes."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments], capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - begin
    code, cpu_seconds, gib = done.stderr.split()[-3:]
    assert code == "0", done.stderr
    return Cost(seconds, float(cpu_seconds), float(gib))


@pytest.mark.parametrize("size", SIZES)
def test_a_collection_is_indexed_and_compared(
    results: Path, size: int, benchmark: BenchmarkFixture
) -> None:
    grow(results, size)
    for left in results.glob(".index.sqlite*"):
        left.unlink()
    indexing = command("compare", str(results), "--only", "workload=workload_0")
    everything = min(command("compare", str(results)) for _ in range(3))
    one = min(command("compare", str(results), "--only", "workload=workload_0") for _ in range(3))
    mib = sum(file.stat().st_size for file in results.glob(".index.sqlite*")) / 2**20
    text = f"index {indexing}, {mib:.0f} MiB on disk; compare all {everything}; one workload {one}"
    print(f"\n{size} runs, {size * WORKLOADS * STRATEGIES} cells: {text}")
    benchmark.extra_info[f"{size} runs"] = text
    benchmark.pedantic(command, args=("compare", str(results)), rounds=1)
    assert max(everything.gib, one.gib) < GIB
