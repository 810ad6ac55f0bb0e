"""What stands at the input, in one layer and in several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

WIDTH = 8
"""Channels between the layers of the deep adapter."""

LAYERS = (1, 3)
"""Convolutions of an adapter."""


class OneLayer(nn.Conv2d):
    """A 3×3 convolution from images to images, almost the identity at first.

    Args:
        usual: start from torch's own initial weights instead, as a new layer does.
    """

    def __init__(self, *, usual: bool = False) -> None:
        super().__init__(3, 3, kernel_size=3, padding=1)
        if usual:
            return
        nn.init.dirac_(self.weight)
        with torch.no_grad():
            self.weight += 0.01 * torch.randn_like(self.weight)
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]


class SeveralLayers(nn.Module):
    """Three 3×3 convolutions that add to the image what they make of it; nothing at first."""

    def __init__(self) -> None:
        super().__init__()
        last = nn.Conv2d(WIDTH, 3, kernel_size=3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.correction = nn.Sequential(
            nn.Conv2d(3, WIDTH, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(WIDTH, WIDTH, kernel_size=3, padding=1),
            nn.ReLU(),
            last,
        )

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, 3, h, w), corrected."""
        corrected: Tensor = images + self.correction(images)
        return corrected


def new_adapter(layers: int, *, usual: bool = False) -> nn.Module:
    """An adapter of so many layers, from torch's random state."""
    return OneLayer(usual=usual) if layers == 1 else SeveralLayers()


class Stack(nn.Module):
    """An adapter in front of a classifier, named as in the workload `adapter`."""

    def __init__(self, adapter: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.adapter = adapter
        self.classifier = classifier

    def forward(self, images: Tensor) -> Tensor:
        """Scores of images."""
        scores: Tensor = self.classifier(self.adapter(images))
        return scores
