"""What a request may ask of any workload."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """What a request asks of a workload; the defaults leave it as its author made it.

    Attributes:
        batch: samples in a batch; `None` is the workload's own size.
        seed: of initial weights, pretraining, order of samples and noise.
        freeze: patterns that replace the workload's own choice of what is frozen.
        weights: name of torchvision's weights for a `torchvision:NAME` workload, such as
            `DEFAULT` or `IMAGENET1K_V1`; `None` starts from random weights.
    """

    batch: int | None = None
    seed: int = 0
    freeze: tuple[str, ...] = ()
    weights: str | None = None
