"""What a watch costs: the same steps of one training, watched and not, in turns."""

from __future__ import annotations

import contextlib
from statistics import median
from typing import TYPE_CHECKING

import pytest
import torch
from perf_harness import DEVICE, in_turns, say, seconds_of, told
from torch import nn
from torch.optim.optimizer import _global_optimizer_post_hooks
from torchvision.models import resnet18, resnet50

from bench.stats import grouped_mean
from bench.watch import watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

EVERY, TURNS_OF_RESIDUAL = 100, 30


def residual(make: Callable[[], nn.Module]) -> Callable[[], tuple[nn.Module, torch.Tensor]]:
    def made() -> tuple[nn.Module, torch.Tensor]:
        model = make()
        model.requires_grad_(False).eval()
        model.fc = nn.Linear(model.fc.in_features, 10)
        return model, torch.randn(8, 3, 224, 224)

    return made


def tiny() -> tuple[nn.Module, torch.Tensor]:
    """A step of a quarter of a millisecond: what a watch costs can't be a smaller share."""
    layers = [nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)]
    model = nn.Sequential(*layers)
    model[:4].requires_grad_(False)
    return model, torch.randn(32, 64)


def small() -> tuple[nn.Module, torch.Tensor]:
    """Convolutions on images of 32 × 32, as in a first tutorial."""
    features = [nn.Conv2d(3, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU()]
    layers = [*features, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1152, 10)]
    model = nn.Sequential(*layers)
    model[:4].requires_grad_(False)
    return model, torch.randn(8, 3, 32, 32)


def training(
    made: Callable[[], tuple[nn.Module, torch.Tensor]],
) -> tuple[nn.Module, Callable[[], None]]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, inputs = (each.to(DEVICE.torch_device) for each in made())
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-3)

    def step() -> None:
        model(inputs).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    return model, step


@contextlib.contextmanager
def unwatched() -> Iterator[None]:
    """One training for both sides, as two of a kind have luck of their own in one process."""
    hooks = dict(_global_optimizer_post_hooks)
    _global_optimizer_post_hooks.clear()
    yield
    _global_optimizer_post_hooks.update(hooks)


@pytest.mark.parametrize("made", [tiny, small])
def test_a_small_network_s_steps_watched_over_not_watched(
    benchmark: BenchmarkFixture, made: Callable[[], tuple[nn.Module, torch.Tensor]]
) -> None:
    model, step = training(made)

    def plain() -> float:
        with unwatched():
            return seconds_of(step, EVERY)

    with watch(model, every=EVERY):  # one look a turn
        pairs = in_turns(lambda: seconds_of(step, EVERY), plain)
    step_us = median(plain for _, plain in pairs) / EVERY * 1e6
    name = f"{made.__name__} network, {step_us:.0f} µs a step, every={EVERY}: watched ÷ not"
    told(benchmark, name, pairs, EVERY)
    benchmark(step)


@pytest.mark.parametrize("make", [resnet18, resnet50])
def test_a_residual_network_s_steps_watched_over_not_watched(
    benchmark: BenchmarkFixture, make: Callable[[], nn.Module]
) -> None:
    """A turn of so many steps would take a minute: a look is timed by itself and shared out."""
    model, step = training(residual(make))
    ratios, looks, plain = [], [], []
    with watch(model, every=10**9) as report:
        step()
        for turn in range(TURNS_OF_RESIDUAL):
            sides: dict[bool, float] = {}
            for on in (turn % 2 == 0, turn % 2 == 1):
                with contextlib.nullcontext() if on else unwatched():
                    sides[on] = seconds_of(step, 1)
            looks.append(seconds_of(report._look, 1))
            plain.append(sides[False])
            ratios.append(sides[True] / sides[False])
    a_step, a_look = median(plain), median(looks)
    shares = grouped_mean([[1 + look / EVERY / a_step] for look in looks])
    hook = grouped_mean([[ratio] for ratio in ratios])
    say(
        benchmark,
        f"{make.__name__}, batch 8, every={EVERY}: looks",
        f"{shares.mean:.5f} [{shares.low:.5f}, {shares.high:.5f}] of the steps; hook behind "
        f"it {hook.mean:.4f} [{hook.low:.4f}, {hook.high:.4f}]; a step {a_step * 1e3:.0f} ms, "
        f"a look {a_look * 1e3:.1f} ms",
    )
    benchmark.pedantic(step, rounds=3)
