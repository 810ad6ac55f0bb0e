"""The experiment in pieces that processes can share."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from bench.claims.denoising.arms import ARMS
from bench.claims.denoising.freezing import train_under
from bench.claims.denoising.learning import accuracy, train_arm, trained_classifier
from bench.workloads.adapter import classifier as new_classifier

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from bench.claims.denoising.freezing import UnderStrategy
    from bench.claims.denoising.learning import Trained
    from bench.claims.denoising.settings import Settings


def learn_classifier(seed: int, settings: Settings, folder: Path) -> float:
    """Train the classifier of a seed and keep it in `folder`; its accuracy without noise."""
    classifier = trained_classifier(seed, settings.classifier_steps)
    torch.save(classifier.state_dict(), _file(folder, seed))
    return accuracy(classifier, 0.0, seed)


def learn_arm(place: int, noise: float, seed: int, settings: Settings, folder: Path) -> Trained:
    """Train the arm at this place of the roster; followed on its way at the noise of the curves."""
    looks = settings.looks if noise == settings.curve_noise else 0
    return train_arm(ARMS[place], _classifier(folder, seed), noise, seed, settings, looks)


def learn_under(strategy: str, seed: int, settings: Settings, folder: Path) -> UnderStrategy:
    """Train an adapter with a strategy."""
    return train_under(strategy, _classifier(folder, seed), seed, settings)


@lru_cache(maxsize=16)
def _classifier(folder: Path, seed: int) -> nn.Module:
    module = new_classifier()
    module.load_state_dict(torch.load(_file(folder, seed), weights_only=True))
    return module.eval()


def _file(folder: Path, seed: int) -> Path:
    return folder / f"classifier-{seed}.pt"
