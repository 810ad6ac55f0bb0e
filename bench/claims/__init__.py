"""What a forum thread and an article say about freezing, each measured and answered."""

from bench.claims.answering import UnknownClaimError, answer_all, chosen
from bench.claims.claim import Claim, Judged
from bench.claims.denoising.settings import Settings
from bench.claims.laboratory import Laboratory
from bench.claims.roster import ROSTER

__all__ = [
    "ROSTER",
    "Claim",
    "Judged",
    "Laboratory",
    "Settings",
    "UnknownClaimError",
    "answer_all",
    "chosen",
]
