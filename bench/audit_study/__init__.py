"""How often the auditor is wrong: planted faults, clean set-ups, and what it says of them."""

SEED = 20
"""That what is kept in `results/` was audited with."""
