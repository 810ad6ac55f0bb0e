"""A builder of synthetic runs: figures as they look in practice, and every gap a run may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from requested import requested

from bench.records import (
    SCHEMA,
    Cell,
    Counters,
    Drift,
    Interference,
    Interval,
    Machine,
    Memory,
    Midway,
    Moved,
    Phase,
    Project,
    Run,
    Split,
    Summary,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

STRATEGIES = (
    "full",
    "requires_grad",
    "optimizer_subset",
    "lr_zero",
    "no_grad",
    "detach",
    "inference_mode",
    "backward_inputs",
    "clear_grads",
    "mask_grads",
    "functional",
    "buffers",
    "feature_cache",
    "restore",
)

# forward, backward, update as ratios to `full`, and the bytes that stay for the frozen part
COSTS = {
    "full": (1.0, 1.0, 1.0, 1.0),
    "requires_grad": (0.97, 0.21, 0.24, 0.0),
    "optimizer_subset": (1.0, 1.0, 0.3, 0.5),
    "lr_zero": (1.0, 1.0, 1.0, 1.0),
    "no_grad": (0.88, 0.2, 0.24, 0.0),
    "detach": (0.98, 0.2, 0.25, 0.0),
    "inference_mode": (0.85, 0.2, 0.24, 0.0),
    "backward_inputs": (1.0, 0.24, 0.3, 0.0),
    "clear_grads": (1.0, 1.0, 0.5, 0.5),
    "mask_grads": (1.0, 1.07, 1.1, 1.0),
    "functional": (1.2, 0.26, 0.3, 0.0),
    "buffers": (0.97, 0.21, 0.22, 0.0),
    "feature_cache": (0.2, 0.2, 0.24, 0.0),
    "restore": (1.0, 1.0, 1.6, 1.0),
}

MIDWAY: dict[str, Verdict] = {"optimizer_subset": "ok", "lr_zero": "ok", "clear_grads": "leaks"}

USUAL: dict[tuple[str, str], Verdict] = {
    **{
        ("adapter", name): "severed"
        for name in ("no_grad", "detach", "inference_mode", "feature_cache")
    },
    ("policy", "mask_grads"): "leaks",
    ("nested_policy", "mask_grads"): "leaks",
    ("nested_policy", "lr_zero"): "leaks",
    ("nested_policy", "functional"): "diverges",
    ("nested_policy", "restore"): "failed",
}

WHY = {
    "reference": "",
    "ok": "",
    "leaks": "2 of 12 frozen tensors moved: encoder.0.weight by 3.1e-03 of its norm, and 1 more",
    "severed": "2 of 4 trainable tensors never received a gradient: adapter.weight, adapter.bias",
    "diverges": "the update differs from the reference by 12% of its norm",
    "failed": "RuntimeError: Inference tensors cannot be saved for backward",
}

MIB = 2**20


def _phases(
    draw: np.random.Generator, costs: Sequence[float], scale: float, lives: int
) -> dict[str, Phase]:
    whole = (0.0020 * scale, 0.0065 * scale, 0.0005 * scale)
    parts = [ms * cost for ms, cost in zip(whole, costs, strict=False)]
    seconds = dict(zip(("forward", "backward", "update"), parts, strict=True))
    seconds["total"] = sum(parts)
    references = dict(zip(("forward", "backward", "update"), whole, strict=True))
    references["total"] = sum(whole)
    phases = {}
    for name, value in seconds.items():
        noisy = value * float(draw.normal(1, 0.01))
        width = float(draw.uniform(0.01, 0.05))
        ratio = noisy / references[name] if costs != COSTS["full"] else 1.0
        several = lives > 1
        phases[name] = Phase(
            Interval(
                noisy,
                noisy * (1 - 2 * width) if several else None,
                noisy * (1 + 2 * width) if several else None,
            ),
            Interval(
                ratio,
                ratio * (1 - width) if several else None,
                ratio * (1 + width) if several else None,
            ),
        )
    return phases


def _memory(costs: Sequence[float], scale: float) -> Memory:
    kept = costs[3]
    trainable, frozen = int(0.4 * MIB * scale), int(2.2 * MIB * scale)
    saved = int((0.4 + 1.1 * min(1.0, costs[1])) * MIB * scale)
    gradients = Split(int(frozen * kept), trainable)
    optimizer = Split(int(2 * frozen * (kept == 1.0)), 2 * trainable)
    peak = trainable * 4 + frozen + gradients.frozen + optimizer.frozen + saved + 20_000
    return Memory(
        parameter_bytes=Split(frozen, trainable),
        buffer_bytes=Split(0, 0),
        gradient_bytes=gradients,
        optimizer_bytes=optimizer,
        saved_bytes=saved,
        peak_bytes=peak,
        resident_bytes=peak - saved,
        predicted_peak_bytes=peak + (40_000 if scale > 1 else 0),
        rss_peak_bytes=400 * MIB,
    )


def _drift(verdict: Verdict) -> Drift:
    moved = [
        Moved("encoder.0.weight", "parameter", 1e-3, 4e-2, 3.1e-3),
        Moved("encoder.1.running_mean", "buffer", 2e-3, 1e-2, 1.2e-3),
    ]
    return Drift(
        steps=5,
        frozen_tensors=0 if verdict == "reference" else 12,
        moved=moved if verdict == "leaks" else [],
        without_gradient=["adapter.weight", "adapter.bias"] if verdict == "severed" else [],
        update_error=None
        if verdict in ("reference", "severed")
        else 0.12
        if verdict == "diverges"
        else 2e-8,
    )


def build_cell(
    workload: str,
    strategy: str,
    verdict: Verdict = "ok",
    *,
    draw: np.random.Generator | None = None,
    scale: float = 1.0,
    lives: int = 8,
    precise: bool = True,
    costs: Sequence[float] | None = None,
    midway: Verdict | None = "ok",
    launch_bound: bool | None = None,
    involuntary: int = 1,
) -> Cell:
    """One cell; a severed one wasn't timed, and a failed one has its reason alone."""
    name = strategy.split("+", maxsplit=1)[0]
    costs = costs or COSTS.get(name, (0.9, 0.5, 0.5, 0.5))
    common = {
        "workload": workload,
        "strategy": strategy,
        "topology": "back" if workload == "adapter" else "front",
        "device": "cpu",
        "dtype": "float32",
        "batch": 64,
        "threads": 1,
        "optimizer": "adam",
        "verdict": verdict,
        "why": WHY[verdict],
    }
    if verdict == "failed":
        return Cell(**common)
    moment = verdict if verdict in ("reference", "severed") else midway
    timed = verdict != "severed"
    return Cell(
        **common,
        midway=Midway(moment, WHY[moment], _drift(moment)) if moment else None,
        summary=Summary(
            lives=lives,
            rounds=12,
            phases=_phases(draw or np.random.default_rng(0), costs, scale, lives),
            ideal={"backward": max(0.16, costs[1] * 0.9), "total": max(0.1, costs[0] * 0.2 + 0.02)}
            if name != "full"
            else {"backward": 1.0, "total": 1.0},
            precise=precise,
            fill_seconds=0.0118 if name == "feature_cache" else None,
            launch_bound=launch_bound,
        )
        if timed
        else None,
        memory=_memory(costs, scale) if timed else Memory(notes=["not measured: severed"]),
        counters=Counters(
            forward_flops=1_000_000, backward_flops=2_000_000, operators={"forward": 20}
        ),
        drift=_drift(verdict),
        interference=[Interference(0, 0, 0.1, 0.099, involuntary)] if timed else [],
    )


def build_run(
    workloads: Sequence[str] = ("policy", "nested_policy", "adapter"),
    strategies: Sequence[str] = STRATEGIES,
    verdicts: Mapping[tuple[str, str], Verdict] | None = None,
    *,
    seed: int = 0,
    cells: Sequence[Cell] | None = None,
    **options: object,
) -> Run:
    """A run of `workloads` x `strategies`; `verdicts` replaces `ok` by workload and strategy.

    `cells` takes the place of all of that; `options` go to every `build_cell`.
    """
    draw = np.random.default_rng(seed)
    verdicts = USUAL if verdicts is None else verdicts
    if cells is None:
        cells = [
            build_cell(
                workload,
                strategy,
                "reference" if strategy == "full" else verdicts.get((workload, strategy), "ok"),
                draw=draw,
                **{"scale": 1.0 + 3 * place, "midway": MIDWAY.get(strategy, "ok"), **options},
            )
            for place, workload in enumerate(workloads)
            for strategy in strategies
        ]
    return Run(
        schema=SCHEMA,
        id="2026-01-02T03-04-05",
        started="2026-01-02T03:04:05Z",
        state="done",
        stopped_by="precision",
        surveyed_seconds=4.0,
        timed_seconds=93.4,
        request=requested(
            workloads=tuple(workloads),
            strategies=tuple(strategies),
            batch=64,
            threads=1,
            budget=120.0,
        ),
        machine=Machine(
            name="a-small-server",
            cpu="AMD EPYC 9R14",
            cores=2,
            memory_bytes=8 * 2**30,
            os="Linux 6.1",
            python="3.11.9",
            torch="2.14.1",
            torchvision="0.29.0",
            blas="mkl",
        ),
        project=Project("0.1.0", "b8baa1712345", False),
        cells=list(cells),
    )


@pytest.fixture(name="make_run", scope="session")
def make_run_fixture() -> Callable[..., Run]:
    return build_run


@pytest.fixture(name="make_cell", scope="session")
def make_cell_fixture() -> Callable[..., Cell]:
    return build_cell
