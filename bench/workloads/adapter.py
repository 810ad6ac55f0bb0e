"""The forum thread's question: only a new layer at the input learns, below a frozen classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from bench.workloads import digits
from bench.workloads.policy import FEATURES, Agent, FeatureExtractor, PolicyNetwork
from bench.workloads.pretrained import pretrained
from bench.workloads.seeding import seeded
from bench.workloads.workload import BATCHES, Workload

if TYPE_CHECKING:
    from torch import Tensor

# In deviations of the images, of which 1.5 are half the way from white to black. Seen through it,
# the classifier misreads 10% instead of 3% of unseen digits; at 0.5 there is nothing to learn.
NOISE = 1.5


class Adapted(nn.Module):
    """A new convolution in front of a classifier, from images (n, 3, 28, 28) to scores."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.adapter = nn.Conv2d(3, 3, kernel_size=3, padding=1)
        # almost the identity, so that the classifier starts from what it knew
        nn.init.dirac_(self.adapter.weight)
        with torch.no_grad():
            self.adapter.weight += 0.01 * torch.randn_like(self.adapter.weight)
        nn.init.zeros_(self.adapter.bias)  # type: ignore[arg-type]
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        """Scores of images."""
        scores: Tensor = self.classifier(self.adapter(x))
        return scores


def classifier() -> Agent:
    """The article's first network, whole: what learned clean digits."""
    return Agent(FeatureExtractor(), PolicyNetwork(FEATURES, 128, digits.CLASSES))


def adapter(batch: int = 64, seed: int = 0) -> Workload:
    """The forum thread: a new first layer learns noisy digits below a frozen classifier."""
    trained = pretrained(classifier, seed)
    with seeded(seed):
        model = Adapted(trained)
    batches = digits.batches(batch, BATCHES, seed, noise=NOISE)
    return Workload(model, batches, frozen=("classifier",))
