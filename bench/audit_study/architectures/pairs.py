"""Models of several parts: a U-Net, a GAN, twins, a mixture of experts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from bench.audit_study.batches import CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


def _convolved(inputs: int, outputs: int, norm: Callable[[int], nn.Module]) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), norm(outputs), nn.ReLU())


class UNet(nn.Module):
    """An encoder of two levels, a decoder with skips, a map of classes."""

    def __init__(self, norm: Callable[[int], nn.Module] = nn.BatchNorm2d) -> None:
        super().__init__()
        self.encoder = nn.ModuleList([_convolved(3, 8, norm), _convolved(8, 16, norm)])
        self.bottleneck = _convolved(16, 16, norm)
        self.decoder = nn.ModuleList([_convolved(32, 8, norm), _convolved(16, 8, norm)])
        self.head = nn.Conv2d(8, CLASSES, 1)

    def encode(self, images: Tensor) -> list[Tensor]:
        """What each level of the encoder sees, the finest first."""
        levels = []
        x = images
        for level in self.encoder:
            x = level(x)
            levels.append(x)
            x = functional.max_pool2d(x, 2)
        return [*levels, x]

    def decode(self, levels: list[Tensor]) -> Any:
        """Logits `(count, classes, height, width)`."""
        x = self.bottleneck(levels[-1])
        for level, skip in zip(self.decoder, reversed(levels[:-1]), strict=True):
            x = level(torch.cat([functional.interpolate(x, scale_factor=2.0), skip], 1))
        return self.head(x)

    def forward(self, images: Tensor) -> Any:
        """Logits `(count, classes, height, width)`."""
        return self.decode(self.encode(images))


class Generator(nn.Module):
    """A mapping network and a synthesis network, as in StyleGAN."""

    def __init__(self) -> None:
        super().__init__()
        self.mapping = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16))
        self.synthesis = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 48))

    def forward(self, noise: Tensor) -> Tensor:
        """Images `(count, 3, 4, 4)`."""
        made: Tensor = self.synthesis(self.mapping(noise))
        return made.view(-1, 3, 4, 4)


class Discriminator(nn.Module):
    """Features and a score."""

    def __init__(self, constrain: Callable[[nn.Module], nn.Module] = lambda layer: layer) -> None:
        super().__init__()
        self.features = nn.Sequential(
            constrain(nn.Conv2d(3, 8, 3, padding=1)),
            nn.LeakyReLU(0.2),
            constrain(nn.Conv2d(8, 8, 4)),
            nn.LeakyReLU(0.2),
        )
        self.score = nn.Linear(8, 1)

    def forward(self, images: Tensor) -> Any:
        """Scores `(count, 1)`."""
        return self.score(self.features(images).flatten(1))


class Gan(nn.Module):
    """A generator and a discriminator under one roof."""

    def __init__(self, constrain: Callable[[nn.Module], nn.Module] = lambda layer: layer) -> None:
        super().__init__()
        self.generator = Generator()
        self.discriminator = Discriminator(constrain)


class Siamese(nn.Module):
    """One encoder for both sides, and a projection."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.GroupNorm(2, 8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.projection = nn.Linear(16, 8)

    def forward(self, left: Tensor, right: Tensor) -> tuple[Any, Any]:
        """Both projections `(count, 8)`."""
        return self.projection(self.encoder(left)), self.projection(self.encoder(right))


class Experts(nn.Module):
    """A trunk and three experts, of which the router takes one for the whole batch."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 16), nn.ReLU())
        self.experts = nn.ModuleList(nn.Linear(16, 16) for _ in range(3))
        self.head = nn.Linear(16, CLASSES)

    def forward(self, images: Tensor, expert: int) -> Any:
        """Logits `(count, classes)`."""
        return self.head(functional.relu(self.experts[expert](self.trunk(images))))
