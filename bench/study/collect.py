"""Traces: lives of base and head as the real gate lives them, many of them, kept raw."""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.gate.time.checkout import checked_out
from bench.gate.time.effects import share_of
from bench.gate.time.gate import introduced, shared_cells
from bench.gate.time.record import Terms
from bench.gate.time.sides import Side, Stable
from bench.gate.time.trial import Trial
from bench.records import Request
from bench.run.session import preload_for
from bench.study.neighbours import neighbours
from bench.study.record import SCHEMA, Trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.gate.time.record import Life
    from bench.study.scenarios import Scenario

LIVES_A_FORKER = 5
"""As in a gate, whose first look is after five lives of one forker."""

TIMED = ("forward", "backward", "update")


def request() -> Request:
    """What the study trains: what `freezebench gate time` does where nothing is said."""
    return Request(
        workloads=("policy",),
        strategies=("requires_grad",),
        device="cpu",
        dtype="float32",
        batch=None,
        threads=1,
        optimizer="adam",
        seed=0,
        steps=1,
        precision=0.03,
        budget=150.0,
        cell_timeout=300.0,
        freeze=(),
        weights=None,
        compile=False,
        channels_last=False,
    )


def collect(
    scenario: Scenario, asked: Request, told: Callable[[str], None] = lambda _: None
) -> Trace:
    """The lives of one scenario; base and head are the checkout around the current folder.

    Raises:
        NoNeighbourError: there is no `stress-ng`.
        CheckoutError, SideError, SideFailedError: see `bench.gate.time.gate.gate`.
    """
    here, python = Path.cwd(), Path(sys.executable)
    with contextlib.ExitStack() as stack:
        base = Side(stack.enter_context(checked_out("base", "HEAD", here)), python)
        head = Side(stack.enter_context(checked_out("head", "HEAD", here)), python)
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="freezebench-")))
        preload = [name for name in preload_for(asked) if not name.startswith("bench")]
        stable = stack.enter_context(Stable((python,), 1, preload, scratch))
        hellos, plans = introduced((base, head), asked, stable)
        trial = Trial(
            base=base,
            head=head,
            cells=shared_cells(*plans),
            harnesses={"base": hellos[0].harness, "head": hellos[1].harness},
            stable=stable,
            terms=Terms(),
            timeout=asked.cell_timeout,
            shuffler=random.Random(asked.seed),
        )
        fractions = slow_down(scenario, trial)
        stack.enter_context(neighbours(scenario.neighbours))
        lives: list[Life] = []
        slowed = Trial(**{**vars(trial), "head_slow_down": fractions})
        for number in range(1, scenario.lives + 1):
            if number % LIVES_A_FORKER == 1:
                slowed.renew()
            lives.append(slowed.life(number, "trial", trial.terms.life_seconds))
            told(f"{scenario.name}: life {number} of {scenario.lives}")
        return Trace(
            schema=SCHEMA,
            scenario=scenario.name,
            neighbours=scenario.neighbours,
            fault=scenario.fault,
            nominal=scenario.nominal,
            machine=plans[0].machine,
            terms=trial.terms,
            commit=base.checkout.commit,
            lives=lives,
        )


def slow_down(scenario: Scenario, trial: Trial) -> dict[str, float] | None:
    """The fractions of each phase that make a whole step slower by the scenario's size.

    For a single phase they follow from its share of a step, found in one life as it is.
    """
    if scenario.fault == "none":
        return None
    if scenario.fault == "total":
        return dict.fromkeys(TIMED, scenario.nominal)
    life = trial.life(0, "trial", trial.terms.life_seconds)
    return {scenario.fault: scenario.nominal / share_of([life], 0, scenario.fault)}
