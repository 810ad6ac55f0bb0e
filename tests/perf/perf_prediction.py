"""Predicting every strategy for a network that this machine could never train."""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING

import strategies
from bench.cells import CellPlan
from bench.run.process import ForkedWorker, fork_server

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

WORKLOAD, BATCH = "torchvision:vit_h_14", 32


def cell(strategy: str) -> CellPlan:
    return CellPlan(
        workload=WORKLOAD, workload_spec=WORKLOAD, strategy=strategy, strategy_spec=strategy,
        topology="front", device="cpu", dtype="float32", batch=BATCH, batch_option=BATCH,
        threads=1, optimizer="adam", seed=0, steps=5, freeze=(), weights=None, compile=False,
        channels_last=False,
    )  # fmt: skip


def test_every_strategy_of_vit_h_14_is_predicted(benchmark: BenchmarkFixture) -> None:
    worker = ForkedWorker(fork_server(["torchvision"]))
    worker.ask("__str__")
    peaks: dict[str, float] = {}

    def predict_all() -> None:
        for name in strategies.names():
            prediction = worker.ask("predict", cell(name))
            peaks[name] = prediction.peak_bytes / 2**30

    begin = time.perf_counter()
    benchmark.pedantic(predict_all, rounds=1)
    seconds = time.perf_counter() - begin
    worker.end()
    resident = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    text = ", ".join(f"{name} {peak:.1f} GiB" for name, peak in peaks.items())
    print(f"\n{len(peaks)} strategies in {seconds:.0f} s: {text}; resident {resident:.1f} GiB")
    benchmark.extra_info.update(peaks)
