"""Blocks as timm has them: layer scale, stochastic depth, standardised weights, mixing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from bench.audit_study.batches import CLASSES

if TYPE_CHECKING:
    from torch import Tensor


class DropPath(nn.Module):
    """Leaves the residual branch of a sample out, at random, in training mode."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """The shape of `x`."""
        if not self.training or not self.probability:
            return x
        kept = 1 - self.probability
        mask = x.new_empty(x.shape[0], *(1,) * (x.dim() - 1)).bernoulli_(kept)
        return x * mask / kept


class ConvNextBlock(nn.Module):
    """A depthwise convolution, LayerNorm, two linear layers, a scale for each channel."""

    def __init__(self, width: int, drop_path: float) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.pwconv1 = nn.Linear(width, 4 * width)
        self.pwconv2 = nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.full((width,), 0.1))
        self.drop_path = DropPath(drop_path)

    def branch(self, x: Tensor) -> Any:
        """What is added to `x` `(count, width, height, width)`."""
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.gamma * self.pwconv2(functional.gelu(self.pwconv1(y)))
        return y.permute(0, 3, 1, 2)

    def forward(self, x: Tensor) -> Any:
        """The shape of `x`."""
        return x + self.drop_path(self.branch(x))


class ConvNext(nn.Module):
    """A patchifying stem, two stages of a block each, a head."""

    def __init__(self, width: int = 16, drop_path: float = 0.0) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, stride=4)
        self.stages = nn.Sequential(
            ConvNextBlock(width, drop_path), ConvNextBlock(width, drop_path)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, images: Tensor) -> Any:
        """Logits `(count, classes)`."""
        return self.head(self.norm(self.stages(self.stem(images)).mean((2, 3))))


class ScaledStdConv2d(nn.Conv2d):
    """A convolution whose weight is standardised each time that it runs, as in NFNets."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.gain = nn.Parameter(torch.ones(self.out_channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Any:
        """The shape of a convolution."""
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), keepdim=True)
        weight = self.gain * (self.weight - mean) * torch.rsqrt(variance + 1e-6)
        return self._conv_forward(x, weight, self.bias)


class NormFreeNet(nn.Module):
    """Three standardised convolutions with a skip, and a head."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = ScaledStdConv2d(3, width, 3, stride=2, padding=1)
        self.conv1 = ScaledStdConv2d(width, width, 3, padding=1)
        self.conv2 = ScaledStdConv2d(width, width, 3, padding=1)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, images: Tensor) -> Any:
        """Logits `(count, classes)`."""
        x = functional.silu(self.stem(images))
        x = x + 0.2 * self.conv2(functional.silu(self.conv1(x)))
        return self.head(x.mean((2, 3)))


class MixerBlock(nn.Module):
    """Mixes tokens, then channels."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.mlp_tokens = nn.Sequential(nn.Linear(tokens, 16), nn.GELU(), nn.Linear(16, tokens))
        self.norm2 = nn.LayerNorm(width)
        self.mlp_channels = nn.Sequential(nn.Linear(width, 32), nn.GELU(), nn.Linear(32, width))

    def forward(self, x: Tensor) -> Any:
        """The shape of `x` `(count, tokens, width)`."""
        x = x + self.mlp_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.mlp_channels(self.norm2(x))


class Mixer(nn.Module):
    """An MLP-Mixer of two blocks; images of 16 by 16."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, stride=4)
        self.blocks = nn.Sequential(MixerBlock(16, width), MixerBlock(16, width))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, images: Tensor) -> Any:
        """Logits `(count, classes)`."""
        x = self.stem(images).flatten(2).transpose(1, 2)
        return self.head(self.norm(self.blocks(x)).mean(1))
