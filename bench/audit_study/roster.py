"""All set-ups that can run here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.audit_study.architectures import INSTALLED
from bench.audit_study.clean import CLEAN
from bench.audit_study.faults import FAULTS

if TYPE_CHECKING:
    from bench.audit_study.set_up import SetUp


def set_ups() -> tuple[SetUp, ...]:
    """Faults, then clean ones, without those whose library is missing."""
    missing = set(left_out())
    return tuple(one for one in (*FAULTS, *CLEAN) if one.name not in missing)


def left_out() -> list[str]:
    """Names of set-ups whose library is missing."""
    if INSTALLED:
        return []
    return [one.name for one in (*FAULTS, *CLEAN) if one.architecture.startswith("hub_")]
