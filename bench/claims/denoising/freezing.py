"""Which strategy trains an adapter at the input, and which cuts it off."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from bench.claims.denoising.learning import accuracy, noisy_batches
from bench.claims.denoising.networks import Stack, new_adapter
from bench.measure.drift import observe
from bench.measure.phases import PhaseMarks
from bench.measure.training import NothingReachesTheLossError, Recipe, Training
from bench.measure.verdict import NOTHING_REACHES_THE_LOSS, judge
from bench.workloads import Workload
from strategies import find

if TYPE_CHECKING:
    from torch import nn

    from bench.claims.denoising.settings import Settings
    from bench.measure.drift import Observation
    from bench.records import Verdict

_REFERENCE = "optimizer_subset"
"""Full gradients, and an optimizer on the adapter alone: what `freezebench run` judges by."""

_VERDICT_STEPS = 5


@dataclass(frozen=True)
class UnderStrategy:
    """An adapter before and after training with a strategy, and the verdict on the strategy."""

    verdict: Verdict
    why: str
    before: float
    after: float


def train_under(
    strategy: str, classifier: nn.Module, seed: int, settings: Settings
) -> UnderStrategy:
    """Train an adapter of one layer, then judge the strategy as the harness does.

    A strategy that cannot take a step, or raises in one, leaves the accuracy where it was. Only
    the first seed is judged, as a verdict hangs on the strategy; others that train are `ok`.
    """
    noise = settings.strategy_noise
    training = _training(strategy, classifier, seed, settings)
    before = accuracy(training.model.eval(), noise, seed)
    training.model.train()
    try:
        for _ in range(settings.strategy_steps):
            training.step(PhaseMarks())
        # What a strategy did to the model (buffers for parameters, hooks) stays in use.
        after = accuracy(training.model.eval(), noise, seed)
        if seed:
            return UnderStrategy("ok", "", before, after)
        verdict, why = _verdict(strategy, classifier, seed, settings)
    except NothingReachesTheLossError:
        return UnderStrategy("severed", NOTHING_REACHES_THE_LOSS, before, before)
    except Exception as error:  # a strategy may fail as it likes
        first = (str(error).splitlines() or [""])[0]
        return UnderStrategy("failed", f"{type(error).__name__}: {first}", before, before)
    return UnderStrategy(verdict, why, before, after)


def _verdict(
    strategy: str, classifier: nn.Module, seed: int, settings: Settings
) -> tuple[Verdict, str]:
    first = _observed(_REFERENCE, classifier, seed, settings)
    reference = first.reference(first)
    drift = _observed(strategy, classifier, seed, settings).drift(reference)
    return judge(drift, "float32", is_reference=strategy == "full")


def _observed(strategy: str, classifier: nn.Module, seed: int, settings: Settings) -> Observation:
    return observe(_training(strategy, classifier, seed, settings), _VERDICT_STEPS)


def _training(strategy: str, classifier: nn.Module, seed: int, settings: Settings) -> Training:
    torch.manual_seed(seed)
    model = Stack(new_adapter(1), copy.deepcopy(classifier))
    batches = noisy_batches(
        settings.strategy_noise, seed, settings.strategy_batches, settings.batch
    )
    workload = Workload(model, batches, frozen=("classifier",))
    return Training(workload, find(strategy), Recipe("cpu", seed=seed, channels_last=True))
