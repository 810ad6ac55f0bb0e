"""Traces and gates made up for the study's tests: quick, and with a truth that is known."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from bench.gate.time.record import ARMS, ArmTurns, CellTurns, Life, Terms
from bench.records import Machine
from bench.study.record import SCHEMA, RealGate, Trace

if TYPE_CHECKING:
    from bench.gate.time.record import Answer

STEP = (5_000_000, 3_000_000, 2_000_000)
BLOCKS = 8

MACHINE = Machine("made up", "no processor", 2, 2**33, "Linux", "3.11", "2.15", "0.29", "none")


def life(
    number: int,
    chance: random.Random,
    *,
    slower: float = 0.0,
    noise: float = 0.0,
    drift: float = 0.0,
) -> Life:
    """One life: every step is `STEP`, times the arm's slow-down, the life's mood and some noise.

    `drift` is of the wall clock alone, from life to life: what runs at different times meet.
    """
    mood = 1 + drift * chance.random()
    ratios = {"base": 1.0, "head": 1 + slower, "again": 1.0, "slowed": 1.10}
    arms = {}
    for arm in ARMS:
        luck = ratios[arm] * (1 + noise * chance.gauss(0, 1))
        cpu = [
            [tuple(round(phase * luck * (1 + noise * chance.gauss(0, 1))) for phase in STEP)] * 3
            for _ in range(2 * BLOCKS)
        ]
        wall = [[tuple(round(phase * mood) for phase in step) for step in turn] for turn in cpu]
        arms[arm] = ArmTurns(wall=wall, cpu=cpu, waits=[0] * len(cpu))  # type: ignore[arg-type]
    cell = CellTurns(workload="policy", strategy="requires_grad", arms=arms)
    return Life(number, "trial", seconds=4.0, start_seconds=0.5, cells=[cell])


def trace(
    fault: str = "none",
    nominal: float = 0.0,
    neighbours: int = 0,
    *,
    lives: int = 20,
    noise: float = 0.002,
    drift: float = 0.0,
) -> Trace:
    """A trace of such lives, the same for the same arguments."""
    chance = random.Random(0)
    load = "idle" if neighbours == 0 else f"beside-{neighbours}"
    name = f"equal-{load}" if fault == "none" else f"{fault}-{100 * nominal:g}-{load}"
    return Trace(
        schema=SCHEMA,
        scenario=name,
        neighbours=neighbours,
        fault=fault,
        nominal=nominal,
        machine=MACHINE,
        terms=Terms(),
        commit="0123456789abcdef",
        lives=[
            life(number, chance, slower=nominal, noise=noise, drift=drift)
            for number in range(1, lives + 1)
        ],
    )


def real(answer: Answer, *, seconds: float = 60.0, nominal: float = 0.0, why: str = "") -> RealGate:
    """A gate that was really run, as far as the report knows."""
    fault = "total" if nominal else "none"
    name = f"total-{100 * nominal:g}-idle" if nominal else "equal-idle"
    return RealGate(name, 0, fault, nominal, 0.03, answer, why, seconds, looks=1, lives=5, rows=[])
