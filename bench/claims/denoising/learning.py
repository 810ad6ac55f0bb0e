"""Training and looking: what one seed does with its classifier, its adapters and its noise."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from bench.claims.denoising.networks import Stack, new_adapter
from bench.workloads.adapter import classifier as new_classifier
from bench.workloads.digits import digits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from bench.claims.denoising.arms import ArmPlan
    from bench.claims.denoising.settings import Settings

FORMAT = torch.channels_last
"""Of images and models: on a CPU these convolutions take some 0.6 of the time that way."""

_CLASSIFIER_BATCH, _CLASSIFIER_LR = 64, 2e-3
_LR = 5e-3  # of adapters; of rates from 1e-3 to 1e-2 none was better at every level
_RISING = 2 / 3  # of the steps, over which a curriculum's noise rises
_DENOISING = 1 / 2  # of the steps, for which a denoiser is pretrained
_TRAINING, _HELD_OUT = 10_000, 20_000  # apart, so that no held-out noise is trained on
_DRAWS = 2


@dataclass(frozen=True)
class Trained:
    """An arm after training at one noise: accuracy at the end, and at each look on the way."""

    accuracy: float
    looks: list[tuple[int, float]]


def trained_classifier(seed: int, steps: int) -> nn.Module:
    """The article's network, trained on clean digits."""
    torch.manual_seed(seed)
    module = new_classifier().to(memory_format=FORMAT)
    optimizer = torch.optim.Adam(module.parameters(), lr=_CLASSIFIER_LR)
    for images, labels in draws(seed, steps, _CLASSIFIER_BATCH):
        _learn(optimizer, functional.cross_entropy(module(images), labels))
    return module.eval()


def noise_of(seed: int, shape: torch.Size, stream: int) -> Tensor:
    """Standard normal noise, the same for the same seed and stream."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(stream + seed))


def accuracy(module: nn.Module, noise: float, seed: int) -> float:
    """Share of the held-out digits that are read rightly, under noise that `seed` decides.

    Each digit is shown under two draws of the noise.
    """
    _, held_out = digits()
    right = []
    for draw in range(_DRAWS if noise else 1):
        drawn = noise_of(seed, held_out.images.shape, _HELD_OUT * (1 + draw))
        images = (held_out.images + noise * drawn).contiguous(memory_format=FORMAT)
        with torch.no_grad():
            right.append(module(images).argmax(1) == held_out.labels)
    return float(torch.cat(right).float().mean())


def train_arm(
    arm: ArmPlan, classifier: nn.Module, noise: float, seed: int, settings: Settings, looks: int
) -> Trained:
    """Train one arm at one noise level.

    Args:
        arm: how.
        classifier: left as it is.
        noise: standard deviation, in the images' own.
        seed: of the adapter's start, the order of the images and their noise.
        settings: steps and batch.
        looks: how often to read the accuracy on the way; 0 for the end alone.
    """
    if arm.way == "alone":
        found = accuracy(classifier, noise, seed)
        return Trained(found, [(0, found), (settings.steps, found)] if looks else [])
    torch.manual_seed(seed)
    classifier = copy.deepcopy(classifier)
    model: nn.Module = classifier
    if arm.layers:
        classifier.requires_grad_(False)
        model = Stack(new_adapter(arm.layers, usual=arm.way == "usual start"), classifier)
    model = model.to(memory_format=FORMAT)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=_LR if arm.layers else _CLASSIFIER_LR / 2)
    read: list[tuple[int, float]] = []
    for step, loss in _losses(arm, model, noise, seed, settings):
        if looks and step % max(1, settings.steps // looks) == 0:
            read.append((step, accuracy(model, noise, seed)))
        _learn(optimizer, loss())
    found = accuracy(model, noise, seed)
    return Trained(found, [*read, (settings.steps, found)] if looks else [])


def noisy_batches(noise: float, seed: int, count: int, batch: int) -> list[tuple[Tensor, Tensor]]:
    """Batches with their noise, of training digits."""
    generator = torch.Generator().manual_seed(_TRAINING + seed)
    return [
        (images + noise * torch.randn(images.shape, generator=generator), labels)
        for images, labels in draws(seed, count, batch)
    ]


def _losses(
    arm: ArmPlan, model: nn.Module, noise: float, seed: int, settings: Settings
) -> Iterator[tuple[int, Callable[[], Tensor]]]:
    """The loss of each step, to be computed once the step has come."""
    generator = torch.Generator().manual_seed(_TRAINING + seed)
    for step, (images, labels) in enumerate(draws(seed, settings.steps, settings.batch)):
        size = noise
        if arm.way == "curriculum":
            size *= min(1.0, (step + 1) / (_RISING * settings.steps))
        noisy = images + size * torch.randn(images.shape, generator=generator)
        noisy = noisy.contiguous(memory_format=FORMAT)
        if arm.way == "denoiser" and step < _DENOISING * settings.steps:
            adapter = model.get_submodule("adapter")
            yield step, lambda x=noisy, y=images, a=adapter: functional.mse_loss(a(x), y)  # type: ignore[misc]
        else:
            yield step, lambda x=noisy, y=labels: functional.cross_entropy(model(x), y)  # type: ignore[misc]


def draws(seed: int, steps: int, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Clean batches, each epoch in an order of its own."""
    train, _ = digits()
    generator = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        while len(order) < batch:
            order = torch.cat([order, torch.randperm(len(train.labels), generator=generator)])
        chosen, order = order[:batch], order[batch:]
        yield train.images[chosen].contiguous(memory_format=FORMAT), train.labels[chosen]


def _learn(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    optimizer.zero_grad()
