"""Faults as people really make them, each in a training that is otherwise in order."""

from bench.audit_study.faults import (
    flags,
    gradients,
    history,
    loops,
    normalisation,
    passing,
    schedule,
    stops,
    writes,
)
from bench.audit_study.set_up import gathered

FAULTS = gathered(
    (normalisation, history, schedule, flags, writes, gradients, stops, passing, loops)
)
