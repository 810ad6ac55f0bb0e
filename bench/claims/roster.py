"""The claims, by number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.claims.cost import (
    FeatureExtractorFrozen,
    MoreEfficientGraph,
    SpeedsUpTraining,
    WorthTheFlag,
)
from bench.claims.denoising.question import LearnsFromNoise
from bench.claims.flags import ApplyEqualsLoop
from bench.claims.gradients import (
    NoGradientStored,
    OthersUnaffected,
    ReachesTheInput,
)
from bench.claims.late.moments import BeforeTheLoop
from bench.claims.learning_rate import LearningRateZero
from bench.claims.moving import GradientStays, NoUpdates
from bench.claims.piling import NothingToZero

if TYPE_CHECKING:
    from bench.claims.claim import Claim

ROSTER: dict[int, type[Claim[Any]]] = {
    claim.number: claim
    for claim in (
        NoGradientStored,
        OthersUnaffected,
        ReachesTheInput,
        NothingToZero,
        WorthTheFlag,
        GradientStays,
        LearnsFromNoise,
        FeatureExtractorFrozen,
        ApplyEqualsLoop,
        BeforeTheLoop,
        SpeedsUpTraining,
        NoUpdates,
        LearningRateZero,
        MoreEfficientGraph,
    )
}

TIMED = (5, 8, 11, 14)
"""Claims that rest on the timed run."""

EXPERIMENT = 7
"""The claim that rests on the experiment on noisy digits."""
