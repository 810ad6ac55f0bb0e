"""The article's first example: a pretrained feature extractor in front of a new policy network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from bench.workloads import digits
from bench.workloads.pretrained import pretrained
from bench.workloads.seeding import seeded
from bench.workloads.workload import BATCHES, Workload

if TYPE_CHECKING:
    from torch import Tensor

FEATURES = 32 * 7 * 7


class FeatureExtractor(nn.Module):
    """Two convolutions, from images (n, 3, 28, 28) to features (n, 1568)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, kernel_size=3, padding=1)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3, padding=1)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """Features of images; `flatten`, not the article's `view`, as it also takes NHWC."""
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x)))
        return x.flatten(1)


class PolicyNetwork(nn.Module):
    """Two linear layers, from features (n, `input_size`) to scores (n, `output_size`)."""

    def __init__(self, input_size: int, hidden_size: int, output_size: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(input_size, hidden_size)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden_size, output_size)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of features."""
        x = self.relu(self.fc1(x))
        scores: Tensor = self.fc2(x)
        return scores


class Agent(nn.Module):
    """A front end that sees and a policy that decides, from images to scores."""

    def __init__(self, front_end: nn.Module, policy: nn.Module) -> None:
        super().__init__()
        self.front_end = front_end
        self.policy = policy

    def forward(self, x: Tensor) -> Tensor:
        """Scores of images."""
        scores: Tensor = self.policy(self.front_end(x))
        return scores


def probe() -> nn.Sequential:
    """The feature extractor below a linear head: what is pretrained, to then keep its front."""
    return nn.Sequential(FeatureExtractor(), nn.Linear(FEATURES, digits.CLASSES))


def policy(batch: int = 64, seed: int = 0) -> Workload:
    """The article's first example: two pretrained convolutions, frozen, below a new policy."""
    front_end = pretrained(probe, seed).get_submodule("0")
    with seeded(seed):
        model = Agent(front_end, PolicyNetwork(FEATURES, 128, digits.CLASSES))
    return Workload(model, digits.batches(batch, BATCHES, seed), frozen=("front_end",))
