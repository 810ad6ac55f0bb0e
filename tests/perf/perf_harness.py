"""What the harness itself costs. Run by `make selfbench`; nothing here is part of `make test`.

Two things are compared in turns, in random order, and a figure is a ratio with its interval: times
of one after the other would tell more about the machine than about the harness.

`DEVICE` in the environment says where the training is; `make selfbench DEVICE=cuda` sets it.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.utils.benchmark import Timer

import strategies
from bench import workloads
from bench.measure.device import choose
from bench.measure.training import Recipe, Training
from bench.run.process import ForkedWorker, fork_server
from bench.stats import grouped_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

TURNS, STEPS = 200, 4
DEVICE = choose(os.environ.get("DEVICE", "cpu"))


def training(strategy: str = "full") -> Training:
    torch.set_num_threads(1)
    workload = workloads.build("policy", workloads.Options(None, 0, (), None))
    return Training(workload, strategies.find(strategy), Recipe(str(DEVICE)))


def by_hand() -> Callable[[], None]:
    """The step that a person would write, on the same network and batches."""
    workload = workloads.build("policy", workloads.Options(None, 0, (), None))
    on = DEVICE.torch_device
    model = workload.model.train().to(on)
    batches = [workloads.to_device(batch, on) for batch in workload.batches]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    taken = 0

    def step() -> None:
        nonlocal taken
        inputs, labels = batches[taken % len(batches)]
        taken += 1
        loss = torch.nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def in_turns(first: Callable[[], float], second: Callable[[], float]) -> list[tuple[float, float]]:
    """Seconds of both, turn by turn in random order, warm."""
    shuffler = random.Random(0)
    for _ in range(10):
        first(), second()
    pairs = []
    for _ in range(TURNS):
        sides: dict[int, float] = {}
        for side in shuffler.sample((0, 1), 2):
            sides[side] = (first, second)[side]()
        pairs.append((sides[0], sides[1]))
    return pairs


def told(
    benchmark: BenchmarkFixture, name: str, pairs: list[tuple[float, float]], steps: int = STEPS
) -> None:
    """Note the median ratio of the pairs with an interval from ten blocks of turns."""
    ratios = [a / b for a, b in pairs]
    size = len(ratios) // 10
    blocks = [[median(ratios[i : i + size])] for i in range(0, len(ratios), size)]
    estimate = grouped_mean(blocks)
    extra_us = median(a - b for a, b in pairs) / steps * 1e6
    say(
        benchmark,
        name,
        f"{estimate.mean:.4f} [{estimate.low:.4f}, {estimate.high:.4f}], {extra_us:+.1f} µs a step",
    )


def say(benchmark: BenchmarkFixture, name: str, text: str) -> None:
    benchmark.extra_info[name] = text
    print(f"\n{name}: {text}")


def seconds_of(call: Callable[[], Any], times: int = STEPS) -> float:
    """Until the device has done them."""
    DEVICE.synchronize()
    begin = time.perf_counter()
    for _ in range(times):
        call()
    DEVICE.synchronize()
    return time.perf_counter() - begin


def test_a_step_in_the_harness_over_the_same_step_by_hand(benchmark: BenchmarkFixture) -> None:
    harness, clock, hand = training(), DEVICE.clock(), by_hand()

    def harness_turn() -> float:
        spent = seconds_of(lambda: harness.step(clock.mark))
        clock.read()
        return spent

    pairs = in_turns(harness_turn, lambda: seconds_of(hand))
    told(benchmark, "step in the harness ÷ by hand", pairs)
    benchmark(harness.step, clock.mark)


@pytest.mark.skipif(DEVICE.is_accelerator, reason="Timer's clock is the host's")
def test_backward_in_the_harness_over_torch_benchmark_timer(benchmark: BenchmarkFixture) -> None:
    harness, clock, other = training(), DEVICE.clock(), training()
    names = {"forward": other._steps[0].compute_loss}
    timer = Timer("loss.backward()", setup="loss = forward()", globals=names)

    def harness_turn() -> float:
        for _ in range(STEPS):
            harness.step(clock.mark)
        return sum(clock.read().device.backward)

    def timer_turn() -> float:
        spent = 0.0
        for _ in range(STEPS):
            # Its own `timeit` runs the statement twice more, on a graph that is gone by then;
            # the timer inside sets up before each.
            spent += timer._timer.timeit(1)
            other.optimizer.step()
            other.optimizer.zero_grad()
        return spent

    told(benchmark, "backward in the harness ÷ Timer", in_turns(harness_turn, timer_turn))
    benchmark(harness.step, clock.mark)


def test_a_worker_begins_its_life(benchmark: BenchmarkFixture) -> None:
    context = fork_server(["bench.workloads"])

    def life() -> None:
        worker = ForkedWorker(context)
        worker.ask("__str__")
        worker.end()

    life()  # the server itself starts with the first
    benchmark(life)
    fresh = [
        seconds_of(
            lambda: subprocess.run([sys.executable, "-c", "import torch._dynamo"], check=True), 1
        )
        for _ in range(3)
    ]
    forked = [seconds_of(life, 1) for _ in range(10)]
    say(
        benchmark,
        "forked life ÷ fresh interpreter with torch",
        f"{median(forked) / median(fresh):.3f} ({median(forked):.3f} s and {median(fresh):.1f} s)",
    )


def test_importing_strategies_over_importing_torch(benchmark: BenchmarkFixture) -> None:
    def importing(what: str) -> float:
        program = (
            "import time, torch; begin = time.perf_counter(); "
            f"import {what}; print(time.perf_counter() - begin)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        return float(done.stdout)

    spent = benchmark.pedantic(importing, args=("strategies",), rounds=5)
    say(benchmark, "import strategies after torch", f"{spent * 1e3:.0f} ms")
