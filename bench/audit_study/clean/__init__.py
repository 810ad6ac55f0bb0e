"""Trainings that are in order, many of them close to a mistake."""

from bench.audit_study.clean import (
    cut_on_purpose,
    kinds,
    loops,
    modes,
    parts,
    pieces,
    put_back,
    reach,
    schedules,
    steered,
    updates,
)
from bench.audit_study.set_up import gathered

HELD_OUT = (cut_on_purpose, put_back, steered, pieces)
"""Modules that were written after the auditor, for it to be tried on at first sight."""

CLEAN = gathered((modes, updates, schedules, reach, parts, loops, kinds, *HELD_OUT))
