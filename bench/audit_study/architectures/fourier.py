"""A layer of a neural operator."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class SpectralConv(nn.Module):
    """A Fourier layer with a complex weight, as in neural operators."""

    def __init__(self, width: int, modes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, width, modes, dtype=torch.cfloat) / width)

    def forward(self, x: torch.Tensor) -> Any:
        """The shape of `x` `(count, width, length)`."""
        modes = self.weight.shape[-1]
        spectrum = torch.fft.rfft(x)[..., :modes]
        return torch.fft.irfft(torch.einsum("bim,iom->bom", spectrum, self.weight), n=x.shape[-1])
