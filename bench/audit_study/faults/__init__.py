"""Faults as people really make them, each in a training that is otherwise in order."""

from bench.audit_study.faults import (
    flags,
    gradients,
    history,
    kinds,
    loops,
    normalisation,
    optimizers,
    passing,
    replaced,
    schedule,
    stops,
    updates,
    writes,
)
from bench.audit_study.set_up import gathered

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
    )
)
