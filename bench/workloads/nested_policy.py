"""The article's second example: a front end of nested modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from bench.workloads import digits
from bench.workloads.policy import Agent, PolicyNetwork
from bench.workloads.pretrained import pretrained
from bench.workloads.seeding import seeded
from bench.workloads.workload import BATCHES, Workload

if TYPE_CHECKING:
    from torch import Tensor

FEATURES = 128


class NestedFeatureExtractor(nn.Module):
    """Convolutions and a linear layer, from images (n, 3, 28, 28) to features (n, 128)."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(
            nn.Conv2d(3, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.layer2 = nn.Sequential(nn.Linear(32 * 7 * 7, FEATURES), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Features of images; `flatten`, not the article's `view`, as it also takes NHWC."""
        features: Tensor = self.layer2(self.layer1(x).flatten(1))
        return features


def probe() -> nn.Sequential:
    """The feature extractor below a linear head: what is pretrained, to then keep its front."""
    return nn.Sequential(NestedFeatureExtractor(), nn.Linear(FEATURES, digits.CLASSES))


def nested_policy(batch: int = 64, seed: int = 0) -> Workload:
    """The article's second example: a pretrained front end of nested modules, frozen."""
    front_end = pretrained(probe, seed).get_submodule("0")
    with seeded(seed):
        model = Agent(front_end, PolicyNetwork(FEATURES, 64, digits.CLASSES))
    return Workload(model, digits.batches(batch, BATCHES, seed), frozen=("front_end",))
