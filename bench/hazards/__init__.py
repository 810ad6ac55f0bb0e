"""Ways in which a freeze goes wrong: each a small scenario, run under every strategy."""

from bench.hazards.matrix import HazardError, chosen, measure
from bench.hazards.roster import ROSTER
from bench.hazards.scenario import Scenario

__all__ = ["ROSTER", "HazardError", "Scenario", "chosen", "measure"]
