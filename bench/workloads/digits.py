"""Real data inside a package: scikit-learn's 1,797 handwritten digits as small colour images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 28  # pixels, as the article's networks expect
CLASSES = 10
HELD_OUT = 360  # one in five
_SPLIT_SEED = 0  # the split is the same for everyone; a request's seed only orders the samples


@dataclass(frozen=True)
class Samples:
    """Images with what they show.

    Attributes:
        images: (n, 3, 28, 28), float32; mean 0 and deviation 1 over the train samples.
        labels: (n,), int64, from 0 to 9.
    """

    images: Tensor
    labels: Tensor


@lru_cache(maxsize=1)
def digits() -> tuple[Samples, Samples]:
    """The train and the held-out samples, always split alike; do not change them in place."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - it costs a second

    loaded = load_digits()
    grey = torch.from_numpy(loaded.images).float().unsqueeze(1)
    grey = functional.interpolate(grey, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    labels = torch.from_numpy(loaded.target).long()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(_SPLIT_SEED))
    held_out, train = order[:HELD_OUT], order[HELD_OUT:]
    grey = (grey - grey[train].mean()) / grey[train].std()
    colour = grey.expand(-1, 3, -1, -1)
    return Samples(colour[train], labels[train]), Samples(colour[held_out], labels[held_out])


def batches(
    batch_size: int, count: int, seed: int, *, noise: float = 0.0
) -> list[tuple[Tensor, Tensor]]:
    """Batches `(images, labels)` of the train samples in an order that `seed` decides.

    Once all samples are used, the order starts again, so that any batch size works.

    Args:
        batch_size: samples a batch, at least 1.
        count: how many batches.
        seed: of the order and of the noise.
        noise: standard deviation of the Gaussian noise on each value of the images, in units of
            the images' own deviation.
    """
    train, _ = digits()
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(train.labels), generator=generator)
    wanted = torch.arange(batch_size * count) % len(order)
    made = []
    for chosen in torch.split(order[wanted], batch_size):
        images = train.images[chosen].contiguous()
        if noise:
            images = images + noise * torch.randn(images.shape, generator=generator)
        made.append((images, train.labels[chosen]))
    return made
