"""What an audit costs: its time over that of the same steps alone, and the memory it takes more.

On a ResNet-50 at batch 8 whose backbone is frozen and in eval mode, with nothing to find: where
there is something, its cause is told apart by running steps again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from perf_harness import DEVICE, say, seconds_of
from torch import nn
from torch.nn import functional
from torchvision.models import resnet50

from bench.audit import audit_training
from bench.measure.memory import LiveStorages, storage_bytes
from bench.stats import grouped_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

BATCH, STEPS, WARM, TURNS = 8, 5, 1, 6


class _Training(NamedTuple):
    model: nn.Module
    optimizer: torch.optim.Optimizer
    step: Callable[[], None]

    def alone(self) -> None:
        """The steps that an audit runs, by themselves."""
        for _ in range(WARM + STEPS):
            self.step()

    def audited(self) -> None:
        """The same, audited."""
        found = audit_training(self.model, self.optimizer, self.step, steps=STEPS, warm=WARM)
        assert found.findings == []


def training() -> _Training:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    on = DEVICE.torch_device
    model = resnet50().eval().requires_grad_(False).to(on)
    model.fc.requires_grad_(True)
    optimizer = torch.optim.SGD(model.fc.parameters(), lr=0.01, momentum=0.9)
    inputs = torch.randn(BATCH, 3, 224, 224, device=on)
    labels = torch.randint(1000, (BATCH,), device=on)

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    return _Training(model, optimizer, step)


def test_an_audit_over_the_same_steps_alone(benchmark: BenchmarkFixture) -> None:
    trained = training()
    trained.alone()
    ratios = []
    for turn in range(TURNS):
        order = (trained.alone, trained.audited)
        seconds = {}
        for run in order if turn % 2 else reversed(order):
            seconds[run.__name__] = seconds_of(run, 1)
        ratios.append(seconds["audited"] / seconds["alone"])
    estimate = grouped_mean([[ratio] for ratio in ratios])
    interval = f"[{estimate.low:.2f}, {estimate.high:.2f}]"
    say(benchmark, "audit ÷ its steps alone", f"{estimate.mean:.2f} {interval}")
    benchmark.pedantic(trained.audited, rounds=1)


def test_the_memory_of_an_audit_over_the_frozen_tensors(benchmark: BenchmarkFixture) -> None:
    trained = training()
    trained.alone()

    def peak(run: Callable[[], None]) -> int:
        live = LiveStorages()
        live.watch([*trained.model.parameters(), *trained.model.buffers()])
        with live:
            run()
        return live.peak_bytes

    frozen = [p for p in trained.model.parameters() if not p.requires_grad]
    size = storage_bytes([*frozen, *trained.model.buffers()])
    extra = peak(trained.audited) - peak(trained.alone)
    say(benchmark, "extra peak ÷ bytes of frozen tensors", f"{extra / size:.2f}")
    benchmark.pedantic(trained.audited, rounds=1)
