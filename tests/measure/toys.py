"""Small models, and strategies: those that freeze, and some that do one thing wrong on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from bench.measure.drift import observe
from bench.measure.training import Recipe, Training
from bench.measure.verdict import judge
from bench.workloads import Workload
from strategies import ROSTER, Strategy, find

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.measure.drift import Observation
    from bench.records import Drift, Verdict
    from strategies import Step

FLOAT = 4  # bytes
NAN = float("nan")
FREEZING = [name for name in ROSTER if name != "full"]
CUTTING = ("no_grad", "detach", "inference_mode", "feature_cache")

each_freezing = pytest.mark.parametrize("strategy", FREEZING)


def ignore(*_: object) -> None:
    """A mark that nobody reads."""


def sum_of_outputs(model: nn.Module, batch: Tensor) -> Tensor:
    return model(batch).sum()


def mean_square(model: nn.Module, batch: Tensor) -> Tensor:
    return model(batch).float().square().mean()  # a scaled loss is too large for float16


def layers(count: int, width: int) -> nn.Sequential:
    """Equal linear layers without bias, so that bytes and FLOPs have closed forms."""
    return nn.Sequential(*(nn.Linear(width, width, bias=False) for _ in range(count)))


def bent() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 2))


def dropping() -> nn.Sequential:
    front_end = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5))
    return nn.Sequential(front_end, nn.Linear(8, 2))


def front(frozen: int) -> tuple[str, ...]:
    return tuple(str(index) for index in range(frozen))


def back(count: int, frozen: int) -> tuple[str, ...]:
    return tuple(str(index) for index in range(count - frozen, count))


def training(
    model: nn.Module,
    frozen: Sequence[str],
    strategy: str | Strategy = "requires_grad",
    *,
    batches: Sequence[Any] | None = None,
    loss: Callable[[nn.Module, Any], Tensor] = mean_square,
    before: Training | None = None,
    device: str = "cpu",
    **recipe: Any,
) -> Training:
    """A training of `model`, on two batches of 5 random rows unless others are given."""
    if batches is None:
        width = next(part.in_features for part in model.modules() if hasattr(part, "in_features"))
        generator = torch.Generator().manual_seed(0)
        batches = [torch.randn(5, width, generator=generator) for _ in range(2)]
    made = strategy if isinstance(strategy, Strategy) else find(strategy)
    workload = Workload(model, batches, frozen=frozen, loss=loss)
    return Training(workload, made, Recipe(device, **recipe), before=before)


def observed(
    new_model: Callable[[], nn.Module],
    frozen: Sequence[str],
    strategy: str | Strategy,
    *,
    steps: int = 3,
    midway: bool = False,
    **how: Any,
) -> Observation:
    """What a few steps did, frozen before the first or after three of ordinary training."""
    torch.manual_seed(0)
    model = new_model()
    before = None
    if midway:
        before = training(model, frozen, "full", **how)
        for zero in (True, True, False):
            before.step(ignore, zero=zero)
    return observe(training(model, frozen, strategy, before=before, **how), steps)


def verdict(
    new_model: Callable[[], nn.Module],
    frozen: Sequence[str],
    strategy: str | Strategy,
    **how: Any,
) -> tuple[Verdict, str, Drift]:
    """What is said of a strategy, by the way of a survey: reference, observation, judgement."""
    name = strategy if isinstance(strategy, str) else strategy.name
    suffix = "+eval" if name.endswith("+eval") else ""
    is_reference = name.removesuffix("+eval") == "full"
    expected = observed(new_model, frozen, f"optimizer_subset{suffix}", **how)
    reference = None if is_reference else expected.reference(expected)
    drift = observed(new_model, frozen, strategy, **how).drift(reference)
    word, why = judge(drift, how.get("dtype", "float32"), is_reference=is_reference)
    return word, why, drift


class Nudge(Strategy):
    """Keeps the frozen part out of the optimizer, and then adds to it after each update."""

    name = "nudge"

    def __init__(self, amount: float) -> None:
        self.amount = amount

    def param_groups(self, model: nn.Module, partition: Any, lr: float) -> list[dict[str, Any]]:
        return [{"params": partition.trainable_tensors(model), "lr": lr}]

    def after_update(self, step: Step) -> None:
        with torch.no_grad():
            for tensor in step.partition.frozen_tensors(step.model):
                tensor.add_(self.amount)


class ScaledGradients(Strategy):
    """Trains the trainable part alone, with its gradients multiplied by a factor."""

    name = "scaled_gradients"

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def param_groups(self, model: nn.Module, partition: Any, lr: float) -> list[dict[str, Any]]:
        return [{"params": partition.trainable_tensors(model), "lr": lr}]

    def before_update(self, step: Step) -> None:
        for tensor in step.partition.trainable_tensors(step.model):
            tensor.grad *= self.factor
