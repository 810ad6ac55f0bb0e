"""How large the experiment is."""

from __future__ import annotations

from dataclasses import dataclass

# Deviations of the noise in those of the images. The first is the forum's "same input".
NOISES = (0.0, 1.0, 2.0, 4.0, 6.0, 10.0)


@dataclass(frozen=True)
class Settings:
    """How large the experiment is.

    Attributes:
        seeds: repetitions; each has a classifier, adapters, batches and noise of its own.
        noises: levels, rising from 0.
        curve_noise: the level at which accuracy is followed over training.
        strategy_noise: the level at which strategies are compared.
        classifier_steps: of the classifier on clean digits, 64 images each.
        steps: of every arm, `batch` images each; a denoiser's pretraining is half of them.
        looks: how often accuracy is read over training.
        strategy_steps: of every strategy, over `strategy_batches` batches that repeat.
        processes: that share the seeds; the processors that there are if absent.
    """

    seeds: int = 5
    noises: tuple[float, ...] = NOISES
    curve_noise: float = 4.0
    strategy_noise: float = 4.0
    classifier_steps: int = 300
    steps: int = 100
    batch: int = 32
    looks: int = 5
    strategy_steps: int = 40
    strategy_batches: int = 20
    processes: int | None = None
