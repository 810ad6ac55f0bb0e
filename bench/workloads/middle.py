"""A frozen part between two trainable ones: noisy digits at one end, a new head at the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from bench.workloads import digits
from bench.workloads.adapter import NOISE
from bench.workloads.pretrained import pretrained
from bench.workloads.seeding import seeded
from bench.workloads.workload import BATCHES, Workload

if TYPE_CHECKING:
    from torch import Tensor


class Sandwich(nn.Module):
    """A stem, a middle and a head, from images (n, 3, 28, 28) to scores (n, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, kernel_size=3, padding=1)
        self.middle = nn.Sequential(
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.head = nn.Linear(32 * 7 * 7, digits.CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of images."""
        scores: Tensor = self.head(self.middle(self.stem(x)))
        return scores


def middle(batch: int = 64, seed: int = 0) -> Workload:
    """A pretrained middle, frozen, while its stem learns noisy digits and its head is new."""
    model = pretrained(Sandwich, seed)
    with seeded(seed):
        model.get_submodule("head").reset_parameters()  # type: ignore[operator]
    batches = digits.batches(batch, BATCHES, seed, noise=NOISE)
    return Workload(model, batches, frozen=("middle",))
