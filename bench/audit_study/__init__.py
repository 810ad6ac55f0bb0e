"""How often the auditor is wrong: planted faults, clean set-ups, and what it says of them."""
