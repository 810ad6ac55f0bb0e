"""Which scenarios there are, in reading order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.hazards import (
    accounts,
    compiling,
    distributed,
    flags,
    leftovers,
    rates,
    severing,
    statistics,
    wrappers,
)

if TYPE_CHECKING:
    from bench.hazards.scenario import Scenario

ROSTER: dict[str, Scenario] = {}

for _scenario in (
    *statistics.SCENARIOS,
    *leftovers.SCENARIOS,
    *rates.SCENARIOS,
    *accounts.SCENARIOS,
    *flags.SCENARIOS,
    *severing.SCENARIOS,
    *wrappers.SCENARIOS,
    *distributed.SCENARIOS,
    *compiling.SCENARIOS,
):
    if _scenario.name in ROSTER:
        raise ValueError(f"two scenarios are called '{_scenario.name}'; rename one")
    ROSTER[_scenario.name] = _scenario()
