"""The ways of meeting the noise that are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.claims.denoising.networks import LAYERS

Way = Literal["alone", "at once", "curriculum", "denoiser", "usual start", "everything"]

TOLD: dict[Way, str] = {
    "alone": "the frozen classifier by itself, nothing trained",
    "at once": "the adapter trained on noisy images from the first step",
    "curriculum": "the adapter trained while the noise rises from zero to its full size over the "
    "first two thirds of the steps",
    "denoiser": "the adapter trained to restore the clean image for half of the steps, then "
    "through the frozen classifier",
    "usual start": "as at once, but from torch's usual random weights, not from the identity",
    "everything": "no adapter: the classifier itself trained on noisy images, nothing frozen",
}


@dataclass(frozen=True)
class ArmPlan:
    """One arm: how it is trained, and how many layers stand at the input (0 for none)."""

    way: Way
    layers: int

    @property
    def name(self) -> str:
        """As results show it: `curriculum, 3 layers`."""
        if not self.layers:
            return {"alone": "classifier alone", "everything": "everything trained"}[self.way]
        return f"{self.way}, {self.layers} layer{'s' if self.layers > 1 else ''}"

    def trained_at(self, noise: float) -> bool:
        """Without noise a curriculum is training at once, and there is nothing to restore."""
        return noise > 0 or self.way in ("alone", "at once", "usual start")


ARMS: tuple[ArmPlan, ...] = (
    ArmPlan("alone", 0),
    *(ArmPlan(way, n) for n in LAYERS for way in ("at once", "curriculum", "denoiser")),
    ArmPlan("usual start", 1),
    ArmPlan("everything", 0),
)

ALONE, AT_ONCE, EVERYTHING = ARMS[0], ARMS[1], ARMS[-1]
