"""Real gates, one after the other, on equal sides, known slow-downs and planted faults."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bench.gate.time.gate import Asked, gate
from bench.gate.time.record import Terms
from bench.study.collect import TIMED
from bench.study.neighbours import neighbours
from bench.study.planted import PATCHES, planted
from bench.study.record import RealGate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.records import Request
    from bench.study.scenarios import Scenario


def real_gate(
    scenario: Scenario,
    asked: Request,
    margin: float,
    shares: Mapping[str, float],
    seed: int,
    told: Callable[[str], None] = lambda _: None,
) -> RealGate:
    """One gate with fresh checkouts of the current commit.

    Args:
        scenario: what slows the head, and who is beside it.
        asked: what is trained.
        margin: of a whole step.
        shares: each phase's part of a step, to size a slow-down of one phase by.
        seed: of the order of turns.
        told: hears what goes on.
    """
    here, python = Path.cwd(), Path(sys.executable)
    slow_down: dict[str, float] | None = None
    with contextlib.ExitStack() as stack:
        head = "HEAD"
        if scenario.fault in PATCHES:
            head = str(stack.enter_context(planted(scenario.fault, here)))
        elif scenario.fault == "total":
            slow_down = dict.fromkeys(TIMED, scenario.nominal)
        elif scenario.fault != "none":
            slow_down = {scenario.fault: scenario.nominal / shares[scenario.fault]}
        stack.enter_context(neighbours(scenario.neighbours))
        found = gate(
            Asked(
                "HEAD", head, python, python, replace(asked, seed=seed), Terms(margin=margin), here
            ),
            head_slow_down=slow_down,
        )
    told(f"{scenario.name}, margin {100 * margin:g}%: {found.answer} in {found.seconds:.0f} s")
    return RealGate(
        scenario=scenario.name,
        neighbours=scenario.neighbours,
        fault=scenario.fault,
        nominal=scenario.nominal,
        margin=margin,
        answer=found.answer,
        why=found.why,
        seconds=found.seconds,
        looks=found.looks,
        lives=len(found.lives),
        rows=found.rows,
    )
