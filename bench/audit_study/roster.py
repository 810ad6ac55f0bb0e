"""All set-ups that can run here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.audit_study.architectures import INSTALLED
from bench.audit_study.clean import CLEAN
from bench.audit_study.clean import HELD_OUT as HELD_OUT_CLEAN
from bench.audit_study.faults import FAULTS
from bench.audit_study.faults import HELD_OUT as HELD_OUT_FAULTS
from bench.audit_study.set_up import gathered

if TYPE_CHECKING:
    from bench.audit_study.set_up import SetUp


def set_ups() -> tuple[SetUp, ...]:
    """Faults, then clean ones, without those whose library is missing."""
    missing = set(left_out())
    return tuple(one for one in (*FAULTS, *CLEAN) if one.name not in missing)


def held_out() -> tuple[SetUp, ...]:
    """Of these, the ones that were written after the auditor."""
    names = {one.name for one in gathered((*HELD_OUT_FAULTS, *HELD_OUT_CLEAN))}
    return tuple(one for one in set_ups() if one.name in names)


def left_out() -> list[str]:
    """Names of set-ups whose library is missing."""
    if INSTALLED:
        return []
    return [one.name for one in (*FAULTS, *CLEAN) if one.architecture.startswith("hub_")]
