"""Faults as people really make them, each in a training that is otherwise in order."""

from bench.audit_study.faults import (
    fine_tuning,
    flags,
    gradients,
    history,
    kinds,
    loops,
    moved_in_passing,
    normalisation,
    optimizers,
    passing,
    replaced,
    schedule,
    severed_by_value,
    stops,
    updates,
    writes,
)
from bench.audit_study.set_up import gathered

HELD_OUT = (severed_by_value, moved_in_passing, fine_tuning)
"""Modules that were written after the auditor, for it to be tried on at first sight."""

FAULTS = gathered(
    (
        normalisation,
        history,
        optimizers,
        schedule,
        flags,
        writes,
        replaced,
        gradients,
        updates,
        stops,
        passing,
        loops,
        kinds,
        *HELD_OUT,
    )
)
