"""Made-up runs for pages: raw samples, telemetry, every verdict, and names that hurt."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import msgspec
from requested import requested

from bench.records import (
    SCHEMA,
    Cell,
    Counters,
    Drift,
    Energy,
    Interference,
    Interval,
    Machine,
    Memory,
    Midway,
    Moved,
    Origin,
    Phase,
    Project,
    Run,
    Samples,
    Split,
    Summary,
    Telemetry,
    Verdict,
    Warmup,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB = 2**20
STRATEGIES = ("full", "requires_grad", "no_grad", "mask_grads", "feature_cache")
COSTS = {"full": 1.0, "requires_grad": 0.6, "no_grad": 0.61, "mask_grads": 1.04}
SCRIPT = "<script>alert(1)</script>"
IMAGE = "</script><img src=x onerror=alert(1)>"
LONG = "a_very_long_name_" * 12
HEBREW = "\u05e8\u05e9\u05ea \u05e7\u05e4\u05d5\u05d0\u05d4"
MACHINE = Machine(
    name="AMD EPYC 9R14 2 cores",
    cpu="AMD EPYC 9R14",
    cores=2,
    memory_bytes=8 * 2**30,
    os="Linux 6.1",
    python="3.11.9",
    torch="2.14.1",
    torchvision="0.29.0",
    blas="mkl",
)
EMOJI = "🧊 frozen 🧊"


def build_cell(
    workload: str = "policy",
    strategy: str = "requires_grad",
    verdict: Verdict = "ok",
    *,
    lives: int = 2,
    rounds: int = 4,
    **parts: Any,
) -> Cell:
    """A cell with `lives` x `rounds` turns of two steps; one that isn't timed has no figures."""
    common: dict[str, Any] = {
        "workload": workload,
        "strategy": strategy,
        "topology": "front",
        "device": "cpu",
        "dtype": "float32",
        "batch": 8,
        "threads": 1,
        "optimizer": "adam",
        "verdict": verdict,
        "why": "" if verdict in ("ok", "reference") else f"it {verdict}",
    }
    if verdict in ("severed", "failed"):
        return Cell(**common | parts)
    cost = COSTS.get(strategy, 0.2)
    turns = list(itertools.product(range(1, lives + 1), range(rounds)))
    steps = [turn for turn in turns for _ in range(2)]
    backward = [0.006 * cost * (1 + 0.02 * ((7 * place) % 5)) for place in range(len(steps))]
    samples = Samples(
        [0.002] * len(steps),
        backward,
        [0.001] * len(steps),
        [0.003 + seconds for seconds in backward],
    )
    typical = {"forward": 0.002, "backward": 0.006 * cost, "update": 0.001}
    typical["total"] = sum(typical.values())
    common |= {
        "midway": Midway("leaks" if strategy == "mask_grads" else verdict, "", None),
        "samples": samples,
        "origin": Origin(
            [life for life, _ in steps], [round_ for _, round_ in steps], [0, 1] * len(turns)
        ),
        "warmup": Warmup(
            Samples([0.004] * lives, [0.01] * lives, [0.001] * lives, [0.015] * lives),
            list(range(1, lives + 1)),
            [True] * lives,
        ),
        "interference": [Interference(life, round_, 0.02, 0.02, 0) for life, round_ in turns],
        "telemetry": Telemetry(cpu_mhz=[2400.0] * len(turns)),
        "summary": Summary(
            lives=lives,
            rounds=len(turns),
            phases={
                name: Phase(
                    Interval(seconds, 0.97 * seconds, 1.03 * seconds),
                    None if strategy == "full" else Interval(cost, 0.97 * cost, 1.03 * cost),
                )
                for name, seconds in typical.items()
            },
            ideal={"backward": 0.8 * cost, "total": 0.9 * cost},
            precise=True,
        ),
        "memory": Memory(
            parameter_bytes=Split(2 * MIB, MIB),
            gradient_bytes=Split(0, MIB),
            optimizer_bytes=Split(0, 2 * MIB),
            saved_bytes=int(3 * cost * MIB),
            peak_bytes=int((6 + 4 * cost) * MIB),
            predicted_peak_bytes=int((6 + 4 * cost) * MIB),
        ),
        "counters": Counters(forward_flops=10, backward_flops=20, operators={"forward": 7}),
        "drift": Drift(
            5,
            4,
            [Moved("encoder.weight", "parameter", 0.1, 0.2, None)] if verdict == "leaks" else [],
        ),
        "energy": Energy(Interval(0.4, 0.39, 0.41), "cpu package", 100, 2.0),
    }
    return Cell(**common | parts)


def build_run(
    workloads: Sequence[str] = ("policy", "adapter"),
    strategies: Sequence[str] = STRATEGIES,
    *,
    cells: Sequence[Cell] | None = None,
    machine: str = "A machine of 2 cores",
    synthetic: bool = True,
    **options: Any,
) -> Run:
    """A run of `workloads` x `strategies`; on `adapter`, `feature_cache` is severed."""
    if cells is None:
        cells = [
            build_cell(workload, strategy, _verdict(workload, strategy), **options)
            for workload in workloads
            for strategy in strategies
        ]
    return Run(
        schema=SCHEMA,
        id="20260102-030405-abcd",
        started="2026-01-02T03:04:05+00:00",
        state="done",
        stopped_by="precision",
        surveyed_seconds=4.0,
        timed_seconds=93.4,
        request=requested(
            workloads=tuple(workloads),
            strategies=tuple(strategies),
            batch=8,
            threads=1,
            budget=120.0,
        ),
        machine=msgspec.structs.replace(MACHINE, name=machine),
        project=Project("0.1.0", "b8baa1712345", False),
        cells=list(cells),
        synthetic=synthetic,
    )


def _verdict(workload: str, strategy: str) -> Verdict:
    if strategy == "full":
        return "reference"
    return "severed" if (workload, strategy) == ("adapter", "feature_cache") else "ok"
