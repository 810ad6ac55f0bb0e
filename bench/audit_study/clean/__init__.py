"""Trainings that are in order, many of them close to a mistake."""

from bench.audit_study.clean import kinds, loops, modes, parts, reach, schedules, updates
from bench.audit_study.set_up import gathered

CLEAN = gathered((modes, updates, schedules, reach, parts, loops, kinds))
